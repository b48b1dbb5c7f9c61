/**
 * A pod on a disk with many files, beside one on an empty disk: `node bench/disks.ts [FILES] [ROUNDS]`, as root for disks with limits.
 * Then how long a snapshot of them takes, restoring it and listing it, and how long any of that holds the event loop.
 */
import { spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { createLocalDisks } from "../src/drivers/local-disks.ts";
import { LocalRig } from "../test/drivers/local-rig.ts";
import { makeKey, temporaryDirectory } from "../test/drivers/ssh.ts";
import { median } from "./median.ts";

const files = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 9);
const SIZE = 32 * 2 ** 30;
const isolation = process.getuid?.() === 0 ? "namespaces" : "processes";

/** A thousand to a directory; every tenth has a block of its own. */
const FILL = `cd "$1"; if [ -e image ]; then mount -o loop image mnt; cd mnt; fi; cd home; exec "$0" -e '
const fs = require("node:fs");
for (let i = 0; i < ${files}; i++) {
  const dir = String(Math.floor(i / 1000));
  if (i % 1000 === 0) fs.mkdirSync(dir);
  fs.writeFileSync(dir + "/" + i, i % 10 === 0 ? "text of " + i : "");
}'`;

const rig = await LocalRig.make(isolation);
const keys = await temporaryDirectory();
const [host, user] = [await makeKey(keys, "host"), await makeKey(keys, "user")];
const driver = await rig.open();
const { dataDir } = rig.options;
const engine = await createLocalDisks({ dataDir, isolation });
const [empty, full, snapshot, restored] = ["e", "f", "s", "r"].map((letter) => letter.repeat(20)) as [
  string,
  string,
  string,
  string,
];
const [node] = await driver.capacity();
const silent = () => undefined;
let pods = 0;

async function took(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Until its sshd answers. */
async function start(volume: string): Promise<number> {
  const reservationId = "p".repeat(20);
  const name = `${reservationId}-${++pods}`;
  const [hostKey, authorizedKeys] = [host.privateKey, [user.publicKey]];
  const spec = { name, reservationId, node: node?.node ?? "", gpuType: "h100", gpus: [0], simulated: true };
  const ms = await took(async () => {
    await driver.launch({
      ...{ ...spec, hostKey, authorizedKeys, deadlineS: 600, environment: {} },
      disk: { volume },
    });
    while ((await driver.inspect(name)).state !== "running") await pause(1);
  });
  await driver.terminate(name);
  return ms;
}

try {
  for (const disk of [empty, full]) await engine.create(disk, SIZE);
  const inside = isolation === "namespaces" ? ["unshare", "-m"] : ["env"];
  const [program = "", ...args] = [...inside, "bash", "-ec", FILL, process.execPath];
  const filled = spawnSync(program, [...args, join(dataDir, "disks", full)], { stdio: "inherit" });
  if (filled.status !== 0) throw new Error("the disk could not be filled");
  const times: Record<string, number[]> = { [empty]: [], [full]: [] };
  for (let round = 0; round < rounds; round++)
    for (const disk of round % 2 === 0 ? [empty, full] : [full, empty]) times[disk]?.push(await start(disk));
  const [before, after] = [median(times[empty] ?? []), median(times[full] ?? [])];
  console.log(`${files} files; sizes ${engine.limits.how}`);
  console.log(`start on an empty disk     ${before.toFixed(0)} ms (median of ${rounds})`);
  console.log(`start on the full disk     ${after.toFixed(0)} ms`);
  console.log(`ratio                      ${(after / before).toFixed(2)} (target: 1.2)`);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  console.log(
    `snapshot, compared         ${seconds(await took(() => engine.snapshot(full, snapshot, silent)))}`,
  );
  console.log(
    `its first page of names    ${seconds(await took(() => engine.contents(snapshot, "", { limit: 100 })))}`,
  );
  const restoring = () => engine.restore(snapshot, restored, SIZE, silent);
  console.log(`restored, compared         ${seconds(await took(restoring))}`);
  console.log(`event loop held for        ${(delay.max / 1e6).toFixed(0)} ms at most`);
} finally {
  await rig.sweep(driver);
  await rm(rig.base, { recursive: true });
  await rm(keys, { recursive: true });
}
