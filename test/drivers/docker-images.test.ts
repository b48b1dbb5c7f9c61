/** Images of pods: from a real registry, with and without logins, and those that cannot be had. */
import { rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { ImageRules } from "../../src/drivers/docker/images.ts";
import { DEFAULT_RULES } from "../../src/drivers/docker/images.ts";
import { type Driver, LaunchRefused, type PodSpec } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import {
  ANN,
  INSECURE,
  noRegistry,
  type Registry,
  registryFolder,
  startRegistry,
} from "../helpers/registry.ts";
import { podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

describe.skipIf(noDockerEngine() ?? noRegistry())("images of a registry", () => {
  let engine: DockerEngine;
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  let open: Registry;
  let closed: Registry;
  const { folder, remove } = registryFolder();
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    [engine, dir] = await Promise.all([
      DockerEngine.start({ gpus: false, args: INSECURE }),
      temporaryDirectory(),
    ]);
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
    open = await startRegistry(engine.address, folder);
    closed = await startRegistry(engine.address, folder, { login: true });
    const local = await engine.image("busybox");
    await engine.docker("tag", local, `${open.host}/team/box:1`);
    await engine.docker("push", `${open.host}/team/box:1`);
    await engine.docker("rmi", `${open.host}/team/box:1`);
  }, 60_000);
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await Promise.all([open.stop(), closed.stop()]);
    await engine.stop();
    await rm(dir, { recursive: true });
    remove();
  });

  async function openDriver(images: ImageRules = DEFAULT_RULES): Promise<Driver> {
    const rig = await DockerRig.make(engine, { images });
    const driver = await rig.open();
    closing.push(
      () => rig.close(),
      () => driver.close(),
    );
    return driver;
  }
  async function specFor(driver: Driver, ref: string, more: Partial<PodSpec> = {}): Promise<PodSpec> {
    const spec = { ...(await podSpec(driver, host, user)), image: { ref }, ...more };
    closing.push(() => driver.terminate(spec.name));
    return spec;
  }
  /** What launching comes to, however long it takes. */
  async function launch(driver: Driver, spec: PodSpec): Promise<unknown> {
    try {
      await driver.launch(spec);
      await vi.waitFor(async () => expect((await driver.inspect(spec.name)).state).not.toBe("starting"), {
        timeout: 30_000,
        interval: 20,
      });
      if ((await driver.inspect(spec.name)).state === "absent") await driver.launch(spec);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  test("an image without sshd and bash is pulled, and one logs in", async () => {
    const driver = await openDriver();
    const spec = await specFor(driver, `${open.host}/team/box:1`);
    expect(await launch(driver, spec)).toBeUndefined();
    await untilRunning(driver, spec.name);
    const access = await PodAccess.open(driver, spec.name, host.publicKey);
    closing.push(() => access.close());
    expect((await access.ssh(user, "echo hello")).stdout).toBe("hello\n");
  });

  test("an image's own entrypoint runs beside sshd where that is asked for, as the image's user", async () => {
    const driver = await openDriver();
    for (const keep of [true, false]) {
      const more = keep ? ({ keepEntrypoint: true } as const) : {};
      const spec = await specFor(driver, await engine.image("distroless"), more);
      expect(await launch(driver, spec)).toBeUndefined();
      await untilRunning(driver, spec.name);
      const container = (await engine.docker("ps", "--quiet", "--filter", `name=${spec.name}`)).trim();
      const running = () => engine.docker("top", container, "-eo", "pid,uid,args");
      if (keep)
        await expect.poll(running, { timeout: 20_000 }).toMatch(/^\d+ +65532 +\/app\/busybox sleep 100000$/m);
      else expect(await running()).not.toContain("sleep 100000");
    }
  });

  test("with a login it comes, and who has none does not get it from the host that has it by now", async () => {
    const driver = await openDriver();
    const ref = `${closed.host}/team/box:1`;
    const first = await specFor(driver, ref, { registryLogins: { [closed.host]: ANN } });
    expect(await launch(driver, first)).toBeUndefined();
    const own = ["image", "inspect", ref, "--format", "{{json .RepoDigests}}"];
    const digest = /sha256:[0-9a-f]{64}/.exec(await engine.docker(...own))?.[0];
    const exact = `${closed.host}/team/box@${digest}`;
    const again = await specFor(driver, exact, { registryLogins: { [closed.host]: ANN } });
    expect(await launch(driver, again)).toBeUndefined();
    const others = await launch(driver, await specFor(driver, exact));
    expect(others).toBeInstanceOf(LaunchRefused);
    expect(String(others)).toContain(`gpu-dev registry login ${closed.host}`);
    for (const registryLogins of [{}, { [closed.host]: { ...ANN, password: "wrong" } }]) {
      const refused = await launch(driver, await specFor(driver, ref, { registryLogins }));
      expect(refused).toBeInstanceOf(LaunchRefused);
      expect(String(refused)).toContain(`gpu-dev registry login ${closed.host}`);
      expect(String(refused)).not.toContain("wrong");
    }
  });

  test("the operator's login is for those who have none of their own", async () => {
    const logins = async () => ({ [closed.host]: ANN });
    const driver = await openDriver({ ...DEFAULT_RULES, logins });
    expect(await launch(driver, await specFor(driver, `${closed.host}/team/box:1`))).toBeUndefined();
  });

  test("an image that is there by its id, or only on the host of somebody else, is no name", async () => {
    const driver = await openDriver();
    const id = (await engine.docker("images", "--quiet", "--no-trunc", await engine.image("busybox"))).slice(
      7,
      19,
    );
    expect(await launch(driver, await specFor(driver, id))).toBeInstanceOf(Error);
  });

  test("L-06 L-11 what is not there, and what cannot be reached, are told apart", async () => {
    const driver = await openDriver();
    const unknown = await launch(driver, await specFor(driver, `${open.host}/team/box:2`));
    expect(unknown).toBeInstanceOf(LaunchRefused);
    expect(String(unknown)).toContain(`there is no image ${open.host}/team/box:2 at ${open.host}`);
    const away = await startRegistry(engine.address, folder);
    const spec = await specFor(driver, `${away.host}/team/box:1`);
    await away.stop();
    const unreachable = await launch(driver, spec);
    expect(unreachable).toMatchObject({ name: "DriverError" });
    expect(String(unreachable)).toContain(`the registry ${away.host} cannot be reached`);
    // It comes back, and what was asked for goes on.
    const back = await startRegistry(engine.address, folder, { port: Number(away.host.split(":")[1]) });
    closing.unshift(() => back.stop());
    expect(await launch(driver, spec)).toBeUndefined();
  });
});
