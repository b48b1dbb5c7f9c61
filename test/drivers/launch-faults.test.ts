/** A launch that fails, and cannot be taken back either. */
import { rm } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import type * as Tree from "../../src/drivers/local/tree.ts";
import { podSpec } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";
import { makeKey, temporaryDirectory } from "./ssh.ts";

const faults = vi.hoisted(() => ({ make: "", remove: "" }));
vi.mock("../../src/drivers/local/tree.ts", async (original) => {
  const real = await original<typeof Tree>();
  const failing =
    <A extends unknown[]>(which: keyof typeof faults, work: (...args: A) => Promise<void>) =>
    async (...args: A) => {
      if (faults[which] !== "") throw new Error(faults[which]);
      await work(...args);
    };
  return { makeTree: failing("make", real.makeTree), removeTree: failing("remove", real.removeTree) };
});

test("L-05 why a launch failed is told, also when what it left cannot be removed, which goes later", async () => {
  const [dir, rig] = await Promise.all([temporaryDirectory(), LocalRig.make("processes")]);
  const driver = await rig.open();
  const [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
  const spec = await podSpec(driver, host, user);
  Object.assign(faults, { make: "cannot be made", remove: "cannot be removed" });
  await expect(driver.launch(spec)).rejects.toMatchObject({ name: "DriverError", message: "cannot be made" });
  expect(rig.logged.filter((line) => line.includes("cannot be removed"))).toHaveLength(1);
  expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
  Object.assign(faults, { make: "", remove: "" });
  expect(await rig.sweep(driver)).toEqual([]);
  expect(await rig.remains(spec.name)).toEqual([]);
  await rig.close();
  await rm(dir, { recursive: true });
});
