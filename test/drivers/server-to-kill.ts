/** Opens a driver, says how it keeps pods apart, and does one thing with it; the test kills it in the middle. */
import { createDockerDriver } from "../../src/drivers/docker/open.ts";
import { createLocalDriver } from "../../src/drivers/local.ts";
import type { Task } from "./killed-server.ts";

const { act, spec, options }: Task = JSON.parse(process.argv[2] ?? "");
const log = () => undefined;
const driver = await ("local" in options
  ? createLocalDriver({ ...options.local, log })
  : createDockerDriver({ ...options.docker, log }));
console.log(driver.isolation);
if (act === "launch") await driver.launch(spec);
if (act === "terminate") await driver.terminate(spec.name);
