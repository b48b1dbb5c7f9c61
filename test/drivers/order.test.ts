import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { knownGpus } from "../../src/drivers/local/order.ts";
import { temporaryDirectory } from "./ssh.ts";

let dir: string;
beforeEach(async () => {
  dir = await temporaryDirectory();
});
afterEach(() => rm(dir, { recursive: true }));

const GPUS = ["a", "b", "c", "d", "e", "f"].map((x) => ({ uuid: `GPU-${x}`, gpuType: "h100" }));

test("S-01 servers that look at the same time keep one order, with each GPU once", async () => {
  const seen = await Promise.all(
    GPUS.map((_, i) => knownGpus(dir, [...GPUS.slice(i), ...GPUS.slice(0, i)].slice(0, 4))),
  );
  const kept = await knownGpus(dir, []);
  expect(kept.map((gpu) => gpu.uuid).sort()).toEqual(GPUS.map((gpu) => gpu.uuid));
  for (const one of seen) expect(one).toEqual(kept.slice(0, one.length));
});

test("a GPU's type is what it is called now, and a machine without GPUs keeps nothing", async () => {
  expect(await knownGpus(dir, [])).toEqual([]);
  expect(await readdir(dir)).toEqual([]);
  await knownGpus(dir, GPUS);
  const [first] = await knownGpus(dir, [{ uuid: "GPU-a", gpuType: "h100-new" }]);
  expect(first).toEqual({ uuid: "GPU-a", gpuType: "h100-new" });
});

test.each([
  ["0", "one is missing", () => rm(join(dir, "gpus", "0"))],
  ["6", "one is nonsense", () => symlink("nonsense", join(dir, "gpus", "6"))],
  ["6", "one is there twice", () => symlink("GPU-a h100", join(dir, "gpus", "6"))],
  ["6", "one is no link", () => writeFile(join(dir, "gpus", "6"), "GPU-g h100")],
  ["x", "there is something else", () => mkdir(join(dir, "gpus", "x"))],
] as const)(
  "a damaged order is an error that says at %s, and is left as it is: %s",
  async (at, _, damage) => {
    await knownGpus(dir, GPUS);
    await damage();
    const files = await readdir(join(dir, "gpus"));
    const asked = knownGpus(dir, [...GPUS, { uuid: "GPU-0", gpuType: "t4" }]);
    await expect(asked).rejects.toMatchObject({
      name: "DriverError",
      message: expect.stringContaining("damaged at"),
    });
    await expect(asked).rejects.toThrow(new RegExp(`"${at === "0" ? "[1-5]" : at}"`));
    expect(await readdir(join(dir, "gpus"))).toEqual(files);
  },
);
