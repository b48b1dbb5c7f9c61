/** Opens the disks of a Docker host, says so, and does one thing with them; the test kills it in the middle. */
import { parseEngineUrl } from "../../src/api/engine-url.ts";
import { routeTo } from "../../src/drivers/docker/address.ts";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { Names } from "../../src/drivers/docker/names.ts";
import { ownAgent } from "../../src/drivers/docker-disks/agent-image.ts";
import { disksOn } from "../../src/drivers/docker-disks/on-host.ts";
import type { RemoteDisks } from "../../src/drivers/docker-disks/remote-disks.ts";

const { url, deployment, verb, args } = JSON.parse(process.argv[2] ?? "") as {
  url: string;
  deployment: string;
  verb: "snapshot" | "clone";
  args: unknown[];
};
const address = parseEngineUrl(url);
if (!address) throw new Error(`${url} is no engine's`);
const disks: RemoteDisks = disksOn(
  new Engine(await routeTo(address, undefined)),
  new Names(deployment),
  ownAgent,
);
await disks.room();
console.log("ready");
const work = disks[verb] as (...args: unknown[]) => Promise<unknown>;
await work.call(disks, ...args, () => undefined);
await disks.close();
