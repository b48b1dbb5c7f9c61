/** Format, lint and import table, types, unused code: the same locally and in CI. Prints only what is wrong. */
import { spawnSync } from "node:child_process";

const CHECKS = [
  ["format and lint", "biome", "ci", "--colors=off", "."],
  ["types", "tsc"],
  ["unused code", "knip"],
] as const;

let failed = 0;
for (const [title, command, ...args] of CHECKS) {
  const done = spawnSync(command, args, { encoding: "utf8" });
  const ok = done.status === 0;
  console.log(`${ok ? "ok    " : "FAILED"} ${title}`);
  if (ok) continue;
  failed += 1;
  console.log(done.error ? done.error.message : `${done.stdout}${done.stderr}`);
}
process.exitCode = failed === 0 ? 0 : 1;
