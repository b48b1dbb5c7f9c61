/** Servers that are killed in the middle of opening their driver, of a launch, or of a terminate. */
import { rm } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { killServer } from "./killed-server.ts";
import { makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const ROUNDS = process.env.GPU_DEV_SOAK === undefined ? 2 : 60;
/** About as long as each takes. */
const SPREAD_MS = { opening: 2500, launch: 800, terminate: 300 };
const seed = chosenSeed();

describe.skipIf(noDockerEngine())("servers of a Docker Engine", () => {
  test(
    `L-04 L-05 one that is killed at any instant leaves one pod or none (seed ${seed})`,
    async () => {
      const next = randomFrom(seed);
      const dir = await temporaryDirectory();
      const [engine, user, host] = await Promise.all([
        DockerEngine.start({ gpus: false }),
        makeKey(dir, "user"),
        makeKey(dir, "host"),
      ]);
      const rig = await DockerRig.make(engine, { hosts: [{ name: "box", url: engine.url }] });
      const { log: _log, ...docker } = rig.options;
      const options = { docker };
      const simulated = { node: "box", gpuType: "h100", gpus: [0], simulated: true, deadlineS: 3600 };
      const keys = { hostKey: host.privateKey, authorizedKeys: [user.publicKey], environment: {} };
      const id = newId();
      const first = { name: `${id}-1`, reservationId: id, ...simulated, ...keys };
      await killServer({ act: "launch", spec: first, options }, next() * SPREAD_MS.opening, {
        opening: true,
      });
      const driver = await rig.open();
      for (let round = 0; round < ROUNDS; round++) {
        const reservationId = newId();
        const name = `${reservationId}-1`;
        const spec = { ...(await podSpec(driver, host, user)), reservationId, name };
        await killServer({ act: "launch", spec, options }, next() * SPREAD_MS.launch);
        await driver.launch(spec);
        await untilRunning(driver, name);
        expect(await rig.running(name), `round ${round}`).toBe(1);
        const access = await PodAccess.open(driver, name, host.publicKey);
        expect((await access.ssh(user, "echo in")).stdout).toBe("in\n");
        await access.close();
        await killServer({ act: "terminate", spec, options }, next() * SPREAD_MS.terminate);
        await driver.terminate(name);
        expect(await rig.remains(name), `round ${round}`).toEqual([]);
      }
      await driver.terminate(first.name);
      expect((await driver.list()).pods).toEqual([]);
      await driver.close();
      await rig.close();
      await engine.stop();
      await rm(dir, { recursive: true });
    },
    60_000 + ROUNDS * 30_000,
  );
});
