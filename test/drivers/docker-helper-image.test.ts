/** Pods and disks whose programs come out of an image that the operator named, and nothing of them from the server's machine. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashOf } from "../../src/drivers/docker/own-image.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const GUARD = { timeout: 60_000, interval: 200 };

describe.skipIf(noDockerEngine())("a helper image", () => {
  let engine: DockerEngine;
  let user: KeyPair;
  let host: KeyPair;
  let ref: string;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    engine = await DockerEngine.start({ gpus: false });
    closing.push(() => engine.stop());
    const dir = await temporaryDirectory();
    closing.push(() => rm(dir, { recursive: true }));
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
    ref = await engine.image("helper");
  });
  afterAll(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function open(helperImage: string) {
    const rig = await DockerRig.make(engine, { helperImage, deploymentId: newId() });
    const driver = await rig.open();
    closing.push(
      () => rig.close(),
      () => driver.close(),
    );
    return { rig, driver };
  }

  const inspect = (format: string, ...words: string[]) =>
    engine.docker("inspect", "--format", format, ...words);

  test("pods get their sshd from it, in whatever image, and disks their agent; its own entrypoint, user and volumes do not matter", async () => {
    const { rig, driver } = await open(ref);
    // The image is looked into beside what else there is to do.
    const faults = async () => (await driver.capacity()).map(({ fault }) => fault);
    await expect.poll(faults, GUARD).toEqual([undefined, undefined]);
    const disk = newId();
    await driver.disks?.on("box").create(disk, 1e9);
    const image = { ref: await engine.image("distroless") };
    const spec = { ...(await podSpec(driver, host, user)), image, disk: { volume: disk } };
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
    const access = await PodAccess.open(driver, spec.name, host.publicKey);
    closing.push(() => access.close());
    const made = await access.ssh(user, "pwd; echo kept >file");
    expect(made).toMatchObject({ code: 0, stdout: "/home/dev\n", stderr: "" });
    await driver.terminate(spec.name);
    const snapshot = newId();
    await driver.disks?.on("box").snapshot(disk, snapshot, () => undefined);
    const files = await driver.disks?.on("box").contents(snapshot, "", { limit: 10 });
    expect(files).toContainEqual(expect.objectContaining({ name: "file" }));
    const helper = await inspect("{{.Id}}", ref);
    for (const part of ["tools", "disk-agent"]) {
      const [made] = (
        await engine.docker("images", "--quiet", "--filter", `label=gpu-dev.part=${part}`)
      ).split("\n");
      expect(await inspect("{{.Parent}}", made ?? "")).toBe(helper);
    }
    // What is there is taken as it is by the next server.
    const images = async () => new Set((await engine.docker("images", "--quiet", "--no-trunc")).split("\n"));
    const before = await images();
    const again = await rig.open();
    await again.launch({ ...(await podSpec(again, host, user)), image });
    expect(await images()).toEqual(before);
    await Promise.all((await again.list()).pods.map((pod) => again.terminate(pod)));
    await Promise.all([again.close(), driver.close()]);
    // The volumes that it declares go with their containers.
    await expect.poll(() => engine.docker("volume", "ls", "--quiet")).not.toMatch(/^[0-9a-f]{64}$/m);
  });

  test("one that lacks something is told with what it lacks, at its node, and no pod is tried", async () => {
    const { driver } = await open(await engine.image("sshd"));
    const fault = `the helper image ${await engine.image("sshd")} has no node`;
    const faults = async () => new Set((await driver.capacity()).map((node) => node.fault));
    await expect.poll(faults, GUARD).toEqual(new Set([fault]));
    await expect(driver.launch(await podSpec(driver, host, user))).rejects.toThrow(fault);
    await expect(driver.disks?.on("box").create(newId(), 1e9)).rejects.toThrow(fault);
  });

  test("what is in it names what is made of it", async () => {
    const files = [{ path: "a", mode: 0o644, data: "x" }];
    const hash = await hashOf(files);
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(await hashOf([{ path: "a", mode: 0o644, data: Buffer.from("x") }])).toBe(hash);
    for (const change of [{ path: "b" }, { mode: 0o755 }, { data: "y" }])
      expect(await hashOf(files.map((file) => ({ ...file, ...change })))).not.toBe(hash);
  });
});
