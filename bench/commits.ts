/**
 * What 1,000 active reservations cost while nothing happens to them: write transactions a second, on SQLite, over the watch of a
 * simulated minute and a half. Usage: node bench/commits.ts [RESERVATIONS]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { createCore } from "../src/core/core.ts";
import { syncCapacity } from "../src/core/gpus/inventory.ts";
import { createUser } from "../src/core/people/users.ts";
import { createReconciler } from "../src/core/reconcile.ts";
import { openStore, type Store } from "../src/store/db.ts";
import { insertReservation } from "../src/store/reservations.ts";
import { createClock } from "../test/helpers/clock.ts";
import { createFakeDriver, h100 } from "../test/helpers/fake-driver.ts";
import { reservationRow } from "../test/helpers/reservation-row.ts";

const SECONDS = 90;
const active = Number(process.argv[2] ?? 1000);
const dir = mkdtempSync(join(tmpdir(), "gd-commits-"));
const clock = createClock();
const store = await openStore({ url: `sqlite:${join(dir, "bench.db")}`, clock });
const driver = createFakeDriver([h100(active)]);
driver.inspect = async () => ({ state: "running" });
const core = createCore({
  store,
  driver,
  settings: { domain: "bench" },
  log: () => undefined,
  probe: async () => ({ ok: true }),
});
await syncCapacity(core);
const owner = await createUser(core, "bench", "admin");
const at = clock.now();
for (let i = 0; i < active; i++)
  await store.write((tx) =>
    insertReservation(
      tx,
      reservationRow(at.toISOString(), {
        id: `r${String(i).padStart(19, "a")}`,
        seq: i + 1,
        owner_id: owner.id,
        state: "active",
        node: "node-1",
        attempt: 1,
        ends_at: new Date(at.getTime() + 3_600_000).toISOString(),
        // Spread over the interval, as they are when they began at different times.
        next_step_at: new Date(at.getTime() + ((i * 7919) % 8000)).toISOString(),
      }),
    ),
  );

let commits = 0;
let changes = 0;
/** Counts the transactions that changed a row; one that finds nothing to claim costs no commit. */
const counting: Store = {
  ...store,
  write: (work, options) =>
    store.write(async (tx) => {
      const result = await work(tx);
      const { rows } = await sql<{ n: number }>`select total_changes() as n`.execute(tx.db);
      if (rows[0] && rows[0].n > changes) commits++;
      changes = rows[0]?.n ?? changes;
      return result;
    }, options),
};
const reconciler = createReconciler({ ...core, store: counting });
reconciler.start();
await reconciler.idle();
const first = commits;
const began = performance.now();
for (let s = 0; s < SECONDS * 10; s++) {
  clock.tick(100);
  await reconciler.idle();
}
const took = performance.now() - began;
await reconciler.stop();
await store.close();
rmSync(dir, { recursive: true });
console.log(
  `${active} active reservations: ${((commits - first) / SECONDS).toFixed(1)} write transactions a second`,
);
console.log(`the watch of ${SECONDS} s took ${(took / 1000).toFixed(1)} s of work`);
