/**
 * Runs in a container of the image that the operator named (helper-image.ts): says what pods need to know of its sshd, and with the word
 * `take` puts the programs, changed so that they run in any image, where the image that is made of that container has them.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { requireAgentPrograms } from "../docker-disks/agent-image.ts";
import { findTools, toolFiles } from "./tools.ts";

const HERE = "in it";

try {
  const { facts, programs } = await findTools(HERE);
  await requireAgentPrograms(HERE);
  if (process.argv.includes("take"))
    for (const { path, mode, data } of await toolFiles(programs))
      if (data === undefined) await mkdir(`/${path}`, { recursive: true, mode });
      else await writeFile(`/${path}`, data, { mode });
  process.stdout.write(JSON.stringify(facts));
} catch (error) {
  process.stderr.write((error as Error).message);
  process.exitCode = 1;
}
