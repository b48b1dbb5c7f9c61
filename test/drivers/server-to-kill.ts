/** Opens a driver, says how it keeps pods apart, and does one thing with it; the test kills it in the middle. */
import type { PodSpec } from "../../src/drivers/driver.ts";
import { createLocalDriver, type LocalDriverOptions } from "../../src/drivers/local.ts";

const { act, spec, options } = JSON.parse(process.argv[2] ?? "") as {
  act: "open" | "launch" | "terminate";
  spec: PodSpec;
  options: Omit<LocalDriverOptions, "log">;
};
const driver = await createLocalDriver({ ...options, log: () => undefined });
console.log(driver.isolation);
if (act === "launch") await driver.launch(spec);
if (act === "terminate") await driver.terminate(spec.name);
