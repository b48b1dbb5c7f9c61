/** Opens the local disk engine, says so, and does one thing with it; the test kills it in the middle. */
import type { DiskEngine } from "../../src/drivers/disks.ts";
import type { LocalDisksOptions } from "../../src/drivers/local-disks/limits.ts";
import { createLocalDisks } from "../../src/drivers/local-disks.ts";

const { options, verb, args, pod } = JSON.parse(process.argv[2] ?? "") as {
  options: LocalDisksOptions;
  verb: Exclude<keyof DiskEngine, "limits">;
  args: unknown[];
  pod?: string;
};
const engine = await createLocalDisks(options);
console.log("ready");
const work = engine[verb] as (...args: unknown[]) => Promise<unknown>;
await work.call(engine, ...args, () => undefined, pod);
console.log("done");
