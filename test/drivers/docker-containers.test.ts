/** Containers that are no pods yet, or never will be. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { routeTo } from "../../src/drivers/docker/address.ts";
import { type Ask, Engine } from "../../src/drivers/docker/engine.ts";
import { requireFreeGpus } from "../../src/drivers/docker/gpu-guard.ts";
import { removeOldHelpers, runHelper } from "../../src/drivers/docker/helper.ts";
import { saidBy } from "../../src/drivers/docker/logs.ts";
import { Names } from "../../src/drivers/docker/names.ts";
import type { PodPlan } from "../../src/drivers/docker/pod.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { newId } from "./contract.ts";

describe.skipIf(noDockerEngine())("containers of a Docker Engine", () => {
  let engine: DockerEngine;
  let client: Engine;
  let image: string;

  beforeAll(async () => {
    engine = await DockerEngine.start({ gpus: false });
    client = new Engine(await routeTo({ kind: "unix", path: engine.socket }, undefined));
    image = await engine.image("busybox");
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => engine.stop());

  test("S-01 of two pods that are about to start with one GPU, at most one does, whichever looked first", async () => {
    const create = () =>
      engine.docker("create", "--label", "gpu-dev.gpus=GPU-1,GPU-2", image, "sleep", "1000");
    const plan = { spec: { node: "box" }, share: { ids: ["GPU-0", "GPU-2"] } } as unknown as PodPlan;
    const looks = (own: string) =>
      requireFreeGpus(client, plan, own, 60_000).catch((error: unknown) => error);
    for (const [end, outcome] of [
      ["start", DriverError],
      ["rm", undefined],
    ] as const) {
      const [low = "", high = ""] = [await create(), await create()].toSorted();
      expect(await looks(high)).toBeInstanceOf(DriverError);
      // The other one may have looked when this one was not there yet.
      const looking = looks(low);
      await engine.docker(end, high);
      expect((await looking)?.constructor).toBe(outcome);
      await engine.docker("rm", "--force", low, ...(end === "start" ? [high] : []));
    }
  });

  test("B-10 what a pod said is not waited for when its host falls silent in the middle of it", async () => {
    const container = await engine.docker("run", "--detach", image, "sh", "-c", "echo said; sleep 1000");
    // It is never at its end, as that of a host whose power is cut.
    const stuck = {
      open: (method: string, path: string, { query, signal }: Ask) =>
        client.open(method, path, { query: { ...query, follow: true }, ...(signal && { signal }) }),
    } as unknown as Engine;
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const hurried = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => timeout(ms / 200));
    await expect(saidBy(stuck, container)).rejects.toThrow("the host fell silent");
    hurried.mockRestore();
    await engine.docker("rm", "--force", container);
  });

  test("B-10 what runs on a host for the server, and does not end, is taken away and said, and so is what a killed server left", async () => {
    const names = new Names(newId());
    const left = () => engine.docker("ps", "--all", "--quiet", "--filter", "label=gpu-dev.part=helper");
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const hurried = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => timeout(ms / 200));
    const endless = runHelper(client, names, { image, command: ["sleep", "1000"] });
    await expect(endless).rejects.toThrow("what ran there for the server did not end within 60 s");
    hurried.mockRestore();
    expect(await left()).toBe("");
    const labels = Object.entries(names.part("helper")).flatMap((label) => ["--label", label.join("=")]);
    await engine.docker("run", "--detach", ...labels, image, "sleep", "1000");
    await removeOldHelpers(client, names);
    expect(await left()).not.toBe("");
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 600_000);
    await removeOldHelpers(client, names);
    expect(await left()).toBe("");
  });
});
