/** Images and builds on a Docker Engine. */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type ImageReference, parseImageReference } from "../../src/api/image-reference.ts";
import { routeTo } from "../../src/drivers/docker/address.ts";
import { buildImage } from "../../src/drivers/docker/build.ts";
import { requireBounds } from "../../src/drivers/docker/build-guard.ts";
import { BUILT } from "../../src/drivers/docker/build-leftovers.ts";
import { BuildSteps } from "../../src/drivers/docker/build-steps.ts";
import { builtName, builtOn } from "../../src/drivers/docker/built-images.ts";
import { labelStep, readDockerfile } from "../../src/drivers/docker/dockerfile.ts";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { DEFAULT_RULES } from "../../src/drivers/docker/images.ts";
import { pullImage } from "../../src/drivers/docker/pull.ts";
import { DriverError, LaunchRefused, type PodImage } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { INSECURE, noRegistry } from "../helpers/registry.ts";
import { buildsContract } from "./builds-contract.ts";
import { newId } from "./contract.ts";
import { imagesContract } from "./images-contract.ts";
import { BOUNDS, ImagesRig } from "./images-rig.ts";
import { pulledContract } from "./pulled-contract.ts";

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

  test("X-08 what is pulled and unpacked, or built, ends as soon as too little stays free on the host", async () => {
    const client = await rig.client();
    // It stands for a host on which others fill the disk meanwhile.
    const host = { node: "box", engine: client, room: async () => 2 ** 20 };
    const preparing = { say: () => undefined, note: () => undefined, signal: new AbortController().signal };
    const messages = [{ id: "a", status: "Extracting", progressDetail: { current: 1, total: 2 } }];
    const unpacking = { open: async () => Readable.from([`${JSON.stringify(messages[0])}\n`]) };
    const image = parseImageReference("r.test/a:1") as ImageReference;
    const { pull } = DEFAULT_RULES;
    const pulling = { ...host, engine: unpacking as unknown as Engine };
    const words = /not enough space on the Docker host box: 0\.0 GiB are free/;
    await expect(pullImage(pulling, image, undefined, pull, preparing)).rejects.toThrow(words);
    vi.useFakeTimers({ toFake: ["setInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const lines = [`FROM ${rig.open.host}/team/busybox:1`, "RUN sleep 1000"];
    const driver = await rig.driver();
    const { image: built } = await rig.built(driver, lines);
    const { build } = built as Extract<PodImage, { build: unknown }>;
    const dockerfile = readDockerfile(lines.join("\n"));
    const bounds = { ...BOUNDS, network: "none", freeMin: 2 ** 31 };
    const plan = { build, dockerfile, labels: rig.names.part(BUILT), logins: {}, bounds };
    const steps = new BuildSteps(preparing, labelStep(plan.labels), dockerfile.ownSteps);
    const building = buildImage(host, plan, preparing, steps);
    vi.advanceTimersByTime(2000);
    await expect(building).rejects.toThrow(words);
  });

  test("S-01 X-08 nothing is built where every step could have the GPUs of others", async () => {
    const runc = execFileSync("sh", ["-c", "PATH=$PATH:/usr/sbin:/sbin; command -v runc"], {
      encoding: "utf8",
    });
    const args = [`--add-runtime=nvidia=${runc.trim()}`, "--default-runtime=nvidia"];
    const second = await DockerEngine.start({ gpus: false, args });
    rig.later(() => second.stop());
    const there = new Engine(await routeTo({ kind: "unix", path: second.socket }, undefined));
    await requireBounds(await rig.client());
    await expect(requireBounds(there)).rejects.toThrow("default-runtime: nvidia");
  });

  describe("images that were pulled for users", () => pulledContract(() => rig));

  describe("builds", () => buildsContract(() => rig));
});
