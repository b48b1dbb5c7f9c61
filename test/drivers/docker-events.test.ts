/** What is heard of containers that end, over a restart of their engine. */
import { rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Driver, PodSpec } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, temporaryDirectory } from "./ssh.ts";

describe.skipIf(noDockerEngine())("events of a Docker Engine", () => {
  let engine: DockerEngine;
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  let rig: DockerRig;
  let driver: Driver;
  let spec: PodSpec;
  let told: string[];
  let stop: (() => void) | undefined;

  beforeAll(async () => {
    engine = await DockerEngine.start({ gpus: false });
    dir = await temporaryDirectory();
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
  });
  afterAll(async () => {
    await engine.stop();
    await rm(dir, { recursive: true });
  });

  beforeEach(async () => {
    rig = await DockerRig.make(engine);
    driver = await rig.open();
    spec = await podSpec(driver, host, user);
    told = [];
    stop = driver.watch?.((pod) => told.push(pod));
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
  });
  afterEach(async () => {
    stop?.();
    for (const name of (await driver.list()).pods) await driver.terminate(name);
    await driver.close();
    await rig.close();
  });

  const untilTold = () => expect.poll(() => told).toContain(spec.name);
  const state = () => driver.inspect(spec.name);

  test("L-11 a container that is killed or removed is told of, and nothing else is", async () => {
    const labels = ["--label", "gpu-dev.deployment=other", "--label", `gpu-dev.pod=${newId()}-1`];
    await engine.docker("run", "--rm", ...labels, await engine.image("busybox"), "true");
    await driver.inspect(spec.name, { activity: true });
    await rig.kill(spec.name);
    await untilTold();
    const killed = "its first process was killed, and not for want of memory";
    expect(await state()).toEqual({ state: "dead", reason: killed });
    expect(new Set(told)).toEqual(new Set([spec.name]));
    told.length = 0;
    await engine.docker("rm", rig.container(spec.name));
    await untilTold();
    expect(await state()).toEqual({ state: "absent" });
  });

  test("L-11 what ends while the engine is away is told of when it is back, to who still listens", async () => {
    const gone: string[] = [];
    driver.watch?.((pod) => gone.push(pod))();
    await engine.restart();
    await untilTold();
    expect(await state()).toMatchObject({ state: "dead" });
    const words = () => rig.logged.filter((line) => line.startsWith("the events"));
    // An engine that is about to end may be heard once more.
    await expect.poll(() => words().at(-1)).toContain("are heard again");
    expect(words().at(0)).toContain("are not heard");
    expect(gone).toEqual([]);
  });
});
