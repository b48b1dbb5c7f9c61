/** What pods of the local driver said: bounded while they run, and of those that are gone. */
import { appendFile, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Driver, PodSpec } from "../../src/drivers/driver.ts";
import { control } from "../../src/drivers/local/pod-dir.ts";
import { keepSaid, readSaid } from "../../src/drivers/local/said.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";
import { makeKey, temporaryDirectory } from "./ssh.ts";

const GUARD = { timeout: 30_000, interval: 50 };

let base: string;
beforeEach(async () => {
  base = await temporaryDirectory();
});
afterEach(() => rm(base, { recursive: true }));

async function launched(rig: LocalRig): Promise<{ driver: Driver; spec: PodSpec }> {
  const driver = await rig.open();
  const [user, host] = await Promise.all([makeKey(base, "user"), makeKey(base, "host")]);
  const spec = await podSpec(driver, host, user);
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  return { driver, spec };
}

test("a log that gets long loses its beginning, in what is kept and on the disk, and numbers go on", async () => {
  const rig = await LocalRig.make("processes");
  const { driver, spec } = await launched(rig);
  const dir = rig.dir(spec.name);
  await expect.poll(() => driver.logs(spec.name), GUARD).not.toEqual([]);
  const first = (await driver.logs(spec.name)).at(-1)?.number ?? 0;
  const lines = Array.from({ length: 12_000 }, (_, i) => `line ${i + 1}\r\n`);
  await appendFile(control(dir, "log"), lines.join(""));
  // Each line in the pipe ends a wait of a second.
  await writeFile(control(dir, "tick"), "\n".repeat(40));
  await vi.waitFor(async () => {
    expect((await driver.logs(spec.name)).at(-1)).toMatchObject({
      number: first + 12_000,
      text: "line 12000",
    });
  }, GUARD);
  const kept = await driver.logs(spec.name);
  expect(kept.length).toBeLessThanOrEqual(1000);
  expect(kept.map(({ number }) => number)).toEqual(kept.map((_, i) => first + 12_000 - kept.length + 1 + i));
  await expect.poll(async () => (await stat(control(dir, "log"))).size, GUARD).toBe(0);
  await appendFile(control(dir, "log"), "after that\n");
  await writeFile(control(dir, "tick"), "\n");
  await vi.waitFor(async () => {
    expect((await driver.logs(spec.name)).at(-1)).toMatchObject({
      number: first + 12_001,
      text: "after that",
    });
  }, GUARD);
  // Nobody notes it any more.
  await appendFile(control(dir, "log"), "the last word\n");
  await driver.terminate(spec.name);
  const left = await driver.logs(spec.name);
  expect(left).toHaveLength(200);
  expect(left.at(-1)).toMatchObject({ number: first + 12_002, text: "the last word" });
  await driver.close();
  await rig.close();
});

test("A-04 a line is cut where it is too long, and names no directory of the server", async () => {
  const dir = join(base, "pods", `${newId()}-1`);
  await mkdir(control(dir), { recursive: true });
  await writeFile(
    control(dir, "said"),
    `1 1763800000 bad file ${dir}/control/x\n2 1763800001 ${"x".repeat(5000)}\nno line of ours\n`,
  );
  expect(await readSaid(base, dir)).toEqual([
    { number: 1, at: "2025-11-22T08:26:40.000Z", text: "bad file control/x" },
    { number: 2, at: "2025-11-22T08:26:41.000Z", text: "x".repeat(1000) },
  ]);
  expect(await readSaid(base, dir, 1)).toHaveLength(1);
});

test("a pod that did not get to run has what its parts wrote, and keeps it", async () => {
  const dir = join(base, "pods", `${newId()}-1`);
  await mkdir(control(dir), { recursive: true });
  await writeFile(control(dir, "log"), "mount: no\r\nfailed\r\n");
  const lines = await readSaid(base, dir);
  expect(lines.map(({ text }) => text)).toEqual(["mount: no", "failed"]);
  expect(await keepSaid(base, dir)).toBeUndefined();
  await rm(dir, { recursive: true });
  expect(await readSaid(base, dir)).toEqual(lines);
});

test("of the pods that are gone the newest thousand are remembered", async () => {
  const place = join(base, "logs");
  await mkdir(place);
  for (let i = 0; i < 1000; i++) {
    await writeFile(join(place, `old-${i}`), "");
    await utimes(join(place, `old-${i}`), i + 1, i + 1);
  }
  const dir = join(base, "pods", `${newId()}-1`);
  await mkdir(control(dir), { recursive: true });
  await writeFile(control(dir, "said"), "1 1763800000 bye\n");
  expect(await keepSaid(base, dir)).toBeUndefined();
  const names = await readdir(place);
  expect(names).toHaveLength(1000);
  expect(names).not.toContain("old-0");
  expect(names).toContain("old-1");
});

test("what cannot be kept is said, and keeps no pod from going", async () => {
  const rig = await LocalRig.make("processes");
  const { driver, spec } = await launched(rig);
  await expect.poll(() => driver.logs(spec.name), GUARD).not.toEqual([]);
  await writeFile(join(rig.options.dataDir, "logs"), "in the way");
  await driver.terminate(spec.name);
  expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
  expect(rig.logged.join("\n")).toContain("what the pod said is not kept");
  expect(await readFile(join(rig.options.dataDir, "logs"), "utf8")).toBe("in the way");
  await driver.close();
  await rig.close();
});
