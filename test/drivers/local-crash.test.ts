/** Servers that are killed in the middle of a launch or a terminate. */
import { rm } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";
import { makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const ROUNDS = process.env.GPU_DEV_SOAK === undefined ? 8 : 80;
/** A launch takes about this long here, and a terminate half of it. */
const SPREAD_MS = { launch: 250, terminate: 80 };
const seed = chosenSeed();

for (const isolation of ["namespaces", "processes"] as const)
  describe.skipIf(isolation === "namespaces" && process.getuid?.() !== 0)(isolation, () => {
    test(
      `L-04 L-05 a server killed at any instant leaves one pod or none (seed ${seed})`,
      async () => {
        const next = randomFrom(seed);
        const dir = await temporaryDirectory();
        const [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
        const rig = await LocalRig.make(isolation);
        const driver = await rig.open();
        for (let round = 0; round < ROUNDS; round++) {
          const reservationId = newId();
          const name = `${reservationId}-1`;
          const spec = { ...(await podSpec(driver, host, user)), reservationId, name };
          await rig.killedServer("launch", spec, next() * SPREAD_MS.launch);
          await driver.launch(spec);
          await untilRunning(driver, name);
          expect(await rig.running(name), `round ${round}`).toBe(1);
          const access = await PodAccess.open(driver, name, host.publicKey);
          expect((await access.ssh(user, "echo in")).stdout).toBe("in\n");
          await access.close();
          await rig.killedServer("terminate", spec, next() * SPREAD_MS.terminate);
          await driver.terminate(name);
          expect(await rig.remains(name), `round ${round}`).toEqual([]);
        }
        expect((await driver.list()).pods).toEqual([]);
        await driver.close();
        await rig.close();
        await rm(dir, { recursive: true });
      },
      ROUNDS * 20_000,
    );
  });
