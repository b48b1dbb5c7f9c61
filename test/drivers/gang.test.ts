/** Several pods of one reservation on this machine: real sshd, real ssh from one to the other, a real rendezvous. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Driver, PodSpec } from "../../src/drivers/driver.ts";
import { addressOf, blockOf, releaseBlock } from "../../src/drivers/local/addresses.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const ROUNDS = process.env.GPU_DEV_SOAK === undefined ? 1 : 10;
/** A launch takes about this long. */
const SPREAD_MS = 300;
const seed = chosenSeed();

for (const isolation of ["namespaces", "processes"] as const)
  describe.skipIf(isolation === "namespaces" && process.getuid?.() !== 0)(
    `L-15 a gang in ${isolation}`,
    () => {
      let rig: LocalRig;
      let driver: Driver;
      let dir: string;
      let [user, host, peer]: KeyPair[] = [];
      const accesses: PodAccess[] = [];

      beforeEach(async () => {
        [rig, dir] = await Promise.all([LocalRig.make(isolation), temporaryDirectory()]);
        driver = await rig.open();
        [user, host, peer] = await Promise.all(["user", "host", "peer"].map((name) => makeKey(dir, name)));
      });
      afterEach(async () => {
        await Promise.all(accesses.splice(0).map((access) => access.close()));
        expect(await rig.sweep(driver)).toEqual([]);
        await rig.close();
        await rm(dir, { recursive: true });
      });

      async function specs(size = 2): Promise<PodSpec[]> {
        if (!user || !host || !peer) throw new Error("no keys");
        const one = await podSpec(driver, host, user);
        const nodes = Array.from({ length: size }, () => one.node);
        const gang = { size, nodes, privateKey: peer.privateKey, hostKey: host.publicKey };
        return Array.from({ length: size }, (_, rank) => ({
          ...one,
          name: `${one.reservationId}-1-${rank}`,
          gpus: [rank],
          authorizedKeys: [user?.publicKey ?? "", peer?.publicKey ?? ""],
          environment: { GPU_DEV_RANK: String(rank), MASTER_PORT: "29500" },
          gang: { ...gang, rank },
        }));
      }

      async function launch(all: readonly PodSpec[]): Promise<((command: string) => Promise<string>)[]> {
        await Promise.all(all.map((spec) => driver.launch(spec)));
        return Promise.all(
          all.map(async ({ name }) => {
            await untilRunning(driver, name);
            const access = await PodAccess.open(driver, name, host?.publicKey ?? "");
            accesses.push(access);
            return async (command: string) => {
              if (!user) throw new Error("no key");
              const done = await access.ssh(user, command);
              expect(done).toMatchObject({ code: 0 });
              return done.stdout;
            };
          }),
        );
      }

      test("L-15 each reaches each by ssh without a password, and all meet at MASTER_ADDR", async () => {
        const all = await specs();
        const [first, second] = await launch(all);
        if (!first || !second) throw new Error("no pods");
        const hosts = (await first("echo $GPU_DEV_HOSTS")).trim().split(",");
        expect(hosts).toHaveLength(2);
        // In namespaces it is the pod's own ssh_config; plain processes share the account's.
        const ssh = isolation === "namespaces" ? "ssh" : 'ssh -F "$GPU_DEV_SSH_CONFIG"';
        const seen = "echo $GPU_DEV_RANK of $GPU_DEV_HOSTS on $CUDA_VISIBLE_DEVICES";
        expect(await first(`${ssh} -o BatchMode=yes ${hosts[1]} '${seen}'`)).toBe(`1 of ${hosts} on 1\n`);
        expect(await second(`${ssh} -o BatchMode=yes ${hosts[0]} '${seen}'`)).toBe(`0 of ${hosts} on 0\n`);

        const [answer, asked] = await Promise.all([
          first(`socat TCP-LISTEN:$MASTER_PORT,bind=$MASTER_ADDR,reuseaddr EXEC:'echo rank 0 is here'`),
          second("socat -u TCP:$MASTER_ADDR:$MASTER_PORT,retry=300,interval=0.1 -"),
        ]);
        expect([answer, asked]).toEqual(["", "rank 0 is here\n"]);
      });

      test("L-15 two gangs at once have addresses of their own, which go with the last pod", async () => {
        const gangs = [await specs(), await specs()];
        const pods = await launch(gangs.flat());
        const masters = new Set(await Promise.all(pods.map((pod) => pod("echo $MASTER_ADDR"))));
        expect(masters.size).toBe(2);
        const links = () => readdir(join(rig.options.dataDir, "gangs"));
        expect(await links()).toHaveLength(2);
        const [one, two] = gangs.map((gang) => gang.map((spec) => spec.name));
        await driver.terminate(one?.[0] ?? "");
        expect(await links()).toHaveLength(2);
        await driver.terminate(one?.[1] ?? "");
        expect(await links()).toHaveLength(1);
        await Promise.all((two ?? []).map((name) => driver.terminate(name)));
        expect(await links()).toEqual([]);
      });

      test(
        `L-04 L-15 a server that is killed during a launch leaves one pod of each rank to the next (seed ${seed})`,
        async () => {
          const next = randomFrom(seed);
          for (let round = 0; round < ROUNDS; round++) {
            const all = await specs();
            const [first] = all;
            if (!first) throw new Error("no specs");
            await rig.killedServer("launch", first, next() * SPREAD_MS);
            const [one, two] = await launch(all);
            expect(await one?.("echo $MASTER_ADDR")).toBe(await two?.("echo $MASTER_ADDR"));
            for (const { name } of all) expect(await rig.running(name), `round ${round}`).toBe(1);
            await Promise.all(all.map(({ name }) => driver.terminate(name)));
            expect(await readdir(join(rig.options.dataDir, "gangs"))).toEqual([]);
          }
        },
        ROUNDS * 60_000,
      );

      test("L-15 a pod does not get a rank that is not in its name", async () => {
        const [first, second] = await specs();
        if (!first?.gang || !second) throw new Error("no specs");
        await expect(driver.launch({ ...first, name: `${first.reservationId}-1` })).rejects.toThrow(/rank/);
        await expect(driver.launch({ ...second, gang: first.gang })).rejects.toThrow(/does not say its rank/);
        await expect(driver.launch({ ...first, gang: { ...first.gang, size: 1 } })).rejects.toThrow(
          /none of 2 to/,
        );
        const { gang: _gang, ...alone } = first;
        await expect(driver.launch(alone)).rejects.toThrow(/does not say its rank/);
        expect((await driver.list()).pods).toEqual([]);
      });
    },
  );

test("L-15 a gang has one block of addresses, however often it is asked for, and two gangs never the same", async () => {
  const dir = await temporaryDirectory();
  const gangs = Array.from({ length: 20 }, () => `${newId()}-1`);
  const blocks = await Promise.all(gangs.map((gang) => blockOf(dir, gang)));
  expect(new Set(blocks).size).toBe(20);
  expect(await blockOf(dir, gangs[3] ?? "")).toBe(blocks[3]);
  await Promise.all(gangs.map((gang) => releaseBlock(dir, gang)));
  expect(await readdir(join(dir, "gangs"))).toEqual([]);
  expect(addressOf(0, 0)).toBe("127.64.0.1");
  expect(addressOf(64 * 256 - 1, 249)).toBe("127.127.255.250");
  await rm(dir, { recursive: true });
});
