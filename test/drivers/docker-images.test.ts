/** Images and builds on a Docker Engine. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { routeTo } from "../../src/drivers/docker/address.ts";
import { BUILT } from "../../src/drivers/docker/build-leftovers.ts";
import { builtName, builtOn } from "../../src/drivers/docker/built-images.ts";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { INSECURE, noRegistry } from "../helpers/registry.ts";
import { buildsContract } from "./builds-contract.ts";
import { newId } from "./contract.ts";
import { imagesContract } from "./images-contract.ts";
import { ImagesRig } from "./images-rig.ts";

describe.skipIf(noDockerEngine() ?? noRegistry())("a Docker Engine", () => {
  let rig: ImagesRig;
  beforeAll(async () => {
    rig = await ImagesRig.start(DockerEngine.start({ gpus: false, args: INSECURE }));
  }, 60_000);
  afterEach(() => rig.clear());
  afterAll(() => rig.stop());

  describe("images of a registry", () => imagesContract(() => rig));

  test("an image that is only on the machine is taken as it is", async () => {
    const driver = await rig.driver();
    const spec = await rig.named(driver, await rig.engine.image("sshd"));
    expect(await rig.launch(driver, spec)).toBeUndefined();
  });

  test("L-11 of several hosts one that is away keeps no built image on another, nor does one that has not got it", async () => {
    const [second, here] = [await DockerEngine.start({ gpus: false }), await rig.client()];
    rig.later(() => second.stop());
    const reached = async (path: string) => new Engine(await routeTo({ kind: "unix", path }, undefined));
    const [there, away] = [await reached(second.socket), await reached(`${second.folder}/away.sock`)];
    const images = (...engines: Engine[]) => builtOn(engines, rig.names, 0);
    const key = newId();
    const labels = `LABEL ${Object.entries(rig.names.part(BUILT))
      .map((label) => label.join("="))
      .join(" ")}`;
    const container = await rig.engine.docker("create", await rig.engine.image("busybox"));
    await rig.engine.docker("commit", "--change", labels, container, builtName(rig.names, key));
    await rig.engine.docker("rm", container);
    expect(await images(here, away).has(key)).toBe(true);
    expect(await images(here, there).has(key)).toBe(false);
    const all = images(away, there, here);
    expect(await all.list()).toContain(key);
    await all.remove(key);
    await all.removeLeftovers();
    expect(await all.list()).not.toContain(key);
    await expect(images(away).list()).rejects.toThrow(DriverError);
  });

  /** The name of an image of 4 MB, of which the engine has nothing. */
  async function large(kind: string): Promise<string> {
    const { engine } = rig;
    const name = `${rig.open.host}/team/large:${kind}`;
    const write = ["dd", "if=/dev/urandom", "of=/large", "bs=1M", "count=4"];
    await engine.docker("run", "--name", kind, await engine.image("busybox"), ...write);
    await engine.docker("commit", kind, name);
    await engine.docker("push", name);
    await engine.docker("rm", kind);
    await engine.docker("rmi", name);
    return name;
  }

  test("X-08 an image that is too large, takes too long or fills the host's disk does not come", async () => {
    const silent = createServer(() => undefined);
    silent.listen(0, rig.open.host.split(":")[0]);
    await once(silent, "listening");
    rig.later(async () => void silent.close().closeAllConnections());
    const { address, port } = silent.address() as AddressInfo;
    const known = new Set([rig.open.host, `${address}:${port}`]);
    for (const [ref, pull, words] of [
      [await large("one"), { sizeMax: 2 ** 20 }, /larger than 1Mi, the most here/],
      // Of the one before the engine may have all by then.
      [
        await large("two"),
        { freeMin: 2 ** 60 },
        /not enough space on the Docker host box: .* are to stay so/,
      ],
      [`${address}:${port}/a:1`, { timeMaxS: 1 }, /took longer than 1s/],
    ] as const) {
      const driver = await rig.ruled({ pull: { ...pull, known } });
      const refused = await rig.launch(driver, await rig.named(driver, ref));
      expect(refused).toBeInstanceOf(LaunchRefused);
      expect(String(refused)).toMatch(words);
    }
  });

  describe("builds", () => buildsContract(() => rig));
});
