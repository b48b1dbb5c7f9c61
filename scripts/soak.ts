/**
 * The long runs: `npm run soak [-- --seed N --kills N]`: servers that are killed, then every test that has a long form, which is
 * one that reads GPU_DEV_SOAK. Prints the seed, which replays the run.
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chosenSeed } from "../test/helpers/random.ts";
import { soak } from "../test/helpers/soak.ts";

const { values } = parseArgs({
  options: { seed: { type: "string" }, kills: { type: "string", default: "100" } },
});
const seed = values.seed === undefined ? chosenSeed() : Number(values.seed);
const home = mkdtempSync(join(tmpdir(), "gpu-dev-soak-"));
const key = join(home, "key");
spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key], { stdio: "inherit" });

console.log(`seed ${seed}`);
await soak({
  home,
  seed,
  kills: Number(values.kills),
  publicKey: readFileSync(`${key}.pub`, "utf8").trim(),
  log: (line) => console.log(line),
});
rmSync(home, { recursive: true, force: true });

const long = globSync("test/**/*.test.ts").filter((file) =>
  readFileSync(file, "utf8").includes("GPU_DEV_SOAK"),
);
const env = { ...process.env, GPU_DEV_SOAK: "1", GPU_DEV_SEED: String(seed) };
const { status } = spawnSync("vitest", ["run", ...long], { stdio: "inherit", env });
if (status === 0) console.log(`every promise held (seed ${seed})`);
else process.exitCode = 1;
