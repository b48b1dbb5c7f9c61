/** What a pod said, from the log of its container: each line has its number in front, and the engine adds when it was said. */
import { DriverError, type LogLine } from "../driver.ts";
import { parseLines } from "../kept-logs.ts";
import type { Engine } from "./engine.ts";
import { ENTRYPOINT_ENDED } from "./entrypoint.ts";
import { allSaid } from "./frames.ts";

const MOST_LINES = 1000;
const MOST_BYTES = 512 * 1024;
/** Who ends a pod keeps what it said first, and does not wait longer for a host that falls silent in the middle of it. */
const LONGEST_MS = 20_000;

/** What was said of the image's entrypoint, when that has ended. */
export async function entrypointOver(engine: Engine, container: string): Promise<string | undefined> {
  const lines = await saidBy(engine, container);
  return lines.find(({ text }) => text.startsWith(ENTRYPOINT_ENDED))?.text;
}

/** The last of it, oldest first. */
export async function saidBy(engine: Engine, container: string): Promise<LogLine[]> {
  const query = { stdout: true, stderr: true, timestamps: true, tail: MOST_LINES };
  const signal = AbortSignal.timeout(LONGEST_MS);
  const asking = engine.open("GET", `/containers/${container}/logs`, { query, signal });
  const { stdout } = await asking
    .then((response) => allSaid(response, MOST_BYTES))
    .catch((cause: unknown) => {
      throw signal.aborted
        ? new DriverError("the host fell silent over what the pod said", { cause })
        : cause;
    });
  const lines = stdout.matchAll(/^(\S+Z) (\d{1,15}) (.*)$/gm);
  return parseLines(
    [...lines].map(([, at = "", n, text]) => `${n} ${Math.floor(Date.parse(at) / 1000)} ${text}\n`).join(""),
  );
}
