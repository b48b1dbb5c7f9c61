/**
 * Three servers on one PostgreSQL, killed at random. With GPU_DEV_SOAK for five minutes, else for a few seconds; GPU_DEV_SEED
 * replays the choices.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore, type Store } from "../../src/store/db.ts";
import { type Acknowledged, allReservations, checkPromises, FINAL } from "../helpers/acknowledged.ts";
import { type Cluster, runCluster, tolerated } from "../helpers/cluster.ts";
import { temporaryHome } from "../helpers/gpu-dev.ts";
import { makeUser } from "../helpers/made-user.ts";
import { createDatabase } from "../helpers/postgres.ts";
import { chosenSeed } from "../helpers/random.ts";
import { nothingLeft, podsMatch, until } from "../helpers/soak.ts";

const LONG = process.env.GPU_DEV_SOAK !== undefined;
const [FOR_MS, BETWEEN_MS] = LONG ? [300_000, 6000] : [2500, 1200];
/** A guard: leases end after 15 s. */
const GUARD_MS = 150_000;

test("L-05 L-16 S-01 A-13 three servers on one PostgreSQL, killed at random, keep every promise", {
  timeout: 600_000,
}, async () => {
  const { home, remove } = temporaryHome();
  const database = await createDatabase();
  const store = await openStore({ url: database.url });
  const seed = chosenSeed();
  console.log(`cluster seed ${seed}`);
  const token = await makeUser(store, "soak", "admin");
  const seen: Acknowledged = { created: new Set(), cancelled: new Set() };
  const key = join(home, "key");
  expect(spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]).status).toBe(0);
  const publicKey = readFileSync(`${key}.pub`, "utf8").trim();
  const log = (line: string): void => console.log(line);
  const cluster = await runCluster(
    {
      home,
      databaseUrl: database.url,
      token,
      publicKey,
      seed,
      servers: 3,
      forMs: FOR_MS,
      betweenKillsMs: BETWEEN_MS,
      log,
    },
    seen,
  );
  log(
    `${seen.created.size} created, ${seen.cancelled.size} cancelled, ${cluster.extended} extended, ${cluster.kills} kills, ${cluster.repeated} requests repeated`,
  );
  try {
    await settle(home, cluster, seen);
    await checkRows(store, seen);
    await endAll(cluster);
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${cluster.logs()}`, { cause: error });
  } finally {
    await cluster.stop();
  }
  await until("nothing is left", async () => nothingLeft(home), GUARD_MS);
  await store.close();
  await database.drop();
  remove();
});

/** What a dead server had in hand is taken over, and everything is as it was acknowledged. */
async function settle(home: string, cluster: Cluster, seen: Acknowledged): Promise<void> {
  await cluster.heal();
  const began = Date.now();
  const underWay = ["preparing", "ending"];
  await until(
    "nothing is under way",
    async () => (await allReservations(cluster)).every((r) => !underWay.includes(r.state)),
    GUARD_MS,
  );
  console.log(`settled after ${Date.now() - began} ms`);
  await until(
    "the pods are those of the active ones",
    async () => podsMatch({ home }, await allReservations(cluster)),
    GUARD_MS,
  );
  const all = await allReservations(cluster);
  checkPromises(seen, all);
  expect(seen.created.size).toBeGreaterThan(3);
  expect(cluster.kills).toBeGreaterThan(0);
  // A request that was sent again after its server died made nothing twice.
  expect(all.map((r) => r.id).toSorted()).toEqual([...seen.created].toSorted());
}

/** The history of each has no gap, and nobody was placed later than he was promised. */
async function checkRows(store: Store, seen: Acknowledged): Promise<void> {
  const [rows, events] = await store.read(async (db) => [
    await db.selectFrom("reservations").selectAll().execute(),
    await db.selectFrom("events").select(["reservation_id", "version"]).orderBy("version").execute(),
  ]);
  expect(rows).toHaveLength(seen.created.size);
  console.log(`${rows.filter((row) => row.state === "expired").length} expired`);
  const byReservation = Map.groupBy(events, (event) => event.reservation_id);
  for (const { id, version, placed_at, promised_start_at, duration_s } of rows) {
    const versions = (byReservation.get(id) ?? []).map((event) => event.version);
    expect(versions).toEqual(Array.from({ length: version }, (_, i) => i + 1));
    expect(duration_s).toBeGreaterThanOrEqual(60);
    if (placed_at !== null && promised_start_at !== null)
      expect(
        placed_at <= promised_start_at,
        `${id}: placed ${placed_at}, promised ${promised_start_at}`,
      ).toBe(true);
  }
}

async function endAll(cluster: Cluster): Promise<void> {
  for (const r of await allReservations(cluster))
    if (!FINAL.has(r.state)) await tolerated(cluster.api.cancelReservation({ params: { id: r.id } }));
  await until(
    "everything ended",
    async () => (await allReservations(cluster)).every((r) => FINAL.has(r.state)),
    GUARD_MS,
  );
  const used = (await cluster.api.listAvailability({ query: {} })).items.filter((a) => a.used > 0);
  expect(used).toEqual([]);
}
