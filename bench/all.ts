/** Every benchmark, one after the other: `npm run bench`. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

for (const script of [
  "startup.ts",
  "reserve.ts",
  "docker.ts",
  "tunnel.ts",
  "fairness.ts",
  "far.ts",
  "commits.ts",
  "plan.ts",
  "release.ts",
  "disks.ts",
  "api.ts",
]) {
  console.log(`\n# bench/${script}`);
  const done = spawnSync(process.execPath, [join(import.meta.dirname, script)], { stdio: "inherit" });
  if (done.status !== 0) process.exitCode = 1;
}
