/**
 * The process that works on the disks of a machine, in a container on it: `agent DIRECTORY [SILENCE_MS]`, started by a server that talks with it on
 * its standard input and output (protocol.ts). It ends with that server, or when nothing is heard of it any more, and whatever was half
 * done then counts for nothing, as when a server with disks of its own is killed.
 */
import { diskOf } from "../local/disk.ts";
import { SILENCE_MS } from "../local-disks/silence.ts";
import { createLocalDisks } from "../local-disks.ts";
import { AGENT_ITSELF, lineOf } from "./protocol.ts";
import { serve } from "./serve.ts";

const [dataDir = "", silenceMs = SILENCE_MS] = process.argv.slice(2);
// Whoever listened is gone.
process.stdout.on("error", () => process.exit(1));

async function attach(disk: string): Promise<void> {
  await diskOf({ disk: { volume: disk } }, dataDir, { kind: "processes" });
}

try {
  const engine = await createLocalDisks({ dataDir, isolation: "processes", podsElsewhere: true });
  await serve(process, engine, attach, { ms: Number(silenceMs), act: () => process.exit(1) });
  process.exit(0);
} catch (error) {
  const words = lineOf({ id: AGENT_ITSELF, fault: "now", words: (error as Error).message });
  process.stdout.write(words, () => process.exit(1));
}
