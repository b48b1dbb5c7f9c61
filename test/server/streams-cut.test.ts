/** Streams over connections that are cut at random, between two servers on one database: no gap, no repeat. GPU_DEV_SEED replays. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import type { ReservationEvent } from "../../src/api/reservations.ts";
import { engines } from "../helpers/engines.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { openRig } from "./rig.ts";
import { openStream } from "./stream-client.ts";

const [RESERVATIONS, RENAMES, READERS] = [3, 25, 3];

test.each(engines)(
  "A-13 B-13 no entry is missed or repeated, however connections are cut, on $engine",
  async (engine) => {
    const seed = chosenSeed();
    console.log(`streams seed ${seed}`);
    const one = await openRig(engine);
    const two = await one.second();
    onTestFinished(async () => {
      await two.close();
      await one.close();
    });
    const urls = [await one.listen(), await two.listen()];
    const alice = await one.person("alice");
    const apis = [alice.api, two.clientFor(alice)];
    const pick = <T>(list: readonly T[], random: () => number): T =>
      list[Math.floor(random() * list.length)] as T;

    /** Follows one to its end over many connections; the versions in the order in which they came. */
    async function follow(id: string, random: () => number): Promise<number[]> {
      const versions: number[] = [];
      let lastEventId: string | undefined;
      for (;;) {
        const url = `${pick(urls, random)}/v1/reservations/${id}/events`;
        const client = await openStream(url, alice, {}, lastEventId);
        const enough = Math.floor(random() * 5);
        await vi.waitFor(
          () => expect(client.of("entry").length >= enough || client.of("end").length > 0).toBe(true),
          { timeout: 60_000, interval: 1 },
        );
        client.cut();
        await client.over;
        versions.push(...client.of<ReservationEvent>("entry").map((entry) => entry.version));
        lastEventId = client.reader.lastEventId;
        if (client.of("end").length > 0) return versions;
      }
    }

    async function change(id: string, random: () => number): Promise<void> {
      for (let i = 0; i < RENAMES; i++) {
        await pick(apis, random).patchReservation({
          params: { id },
          body: { name: `${id.slice(0, 8)}-${i}` },
        });
        for (let n = Math.floor(random() * 20); n > 0; n--) await turn();
      }
      await pick(apis, random).cancelReservation({ params: { id } });
    }

    const ids = await Promise.all(
      Array.from({ length: RESERVATIONS }, async () => {
        const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
        return id;
      }),
    );
    const following = ids.map((id, n) =>
      Promise.all(Array.from({ length: READERS }, (_, r) => follow(id, randomFrom(seed + 10 * n + r)))),
    );
    await Promise.all(ids.map((id, n) => change(id, randomFrom(seed + 1000 + n))));
    await one.settle();
    for (const [n, id] of ids.entries()) {
      const { items } = await alice.api.listEvents({ params: { id }, query: { limit: "500" } });
      const all = items.map((entry) => entry.version);
      expect(all.length, `seed ${seed}`).toBeGreaterThan(RENAMES);
      for (const seen of (await following[n]) ?? []) expect(seen, `seed ${seed}`).toEqual(all);
    }
  },
);
