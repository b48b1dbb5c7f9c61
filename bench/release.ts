/**
 * What one release costs in the core, 1,000 nodes and 10,000 queued, on both engines: the transaction that ends a reservation, and
 * the one that reads, plans its type, gives on what it had and stores where everybody was moved. The second half is planned without
 * what was kept of the plan before, as by a server that did not make that. Usage: node bench/release.ts [THOUSANDS QUEUED] [RELEASES]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finishReservation, SYSTEM } from "../src/core/change.ts";
import { createConditions } from "../src/core/conditions.ts";
import { createCore } from "../src/core/core.ts";
import { createPlanner } from "../src/core/planning/planner.ts";
import { openStore } from "../src/store/db.ts";
import { findReservation } from "../src/store/reservations.ts";
import { createClock } from "../test/helpers/clock.ts";
import { createFakeDriver } from "../test/helpers/fake-driver.ts";
import { startPostgres } from "../test/helpers/postgres-server.ts";
import { crowd } from "./crowd.ts";
import { fill } from "./crowded.ts";
import { quantile } from "./median.ts";

const [thousands = 10, releases = 100] = process.argv.slice(2).map(Number);

const WARM_UP = 50;

async function measure(url: string): Promise<Record<"ends" | "kept" | "anew", number[]>> {
  const some = crowd({ nodes: thousands * 100, queued: thousands * 1000, seed: 1 });
  const clock = createClock(new Date(some.now).toISOString());
  const store = await openStore({ url, clock });
  const driver = createFakeDriver([]);
  const core = createCore({
    store,
    driver,
    settings: { domain: "bench" },
    log: (level, fields, message) => level === "error" && console.error(message, fields.err),
    probe: async () => ({ ok: true }),
  });
  const running = await fill({ ...core, driver }, some);
  const planner = createPlanner(core, createConditions(core.log));
  // The first plan leaves thousands to be looked at, which is not what a release costs.
  for (let i = 0; i < WARM_UP; i++) await planner.look(clock.now());
  const took = { ends: [] as number[], kept: [] as number[], anew: [] as number[] };
  for (const [i, id] of running.slice(0, releases).entries()) {
    clock.tick(1000);
    took.ends.push(
      await timed(() =>
        store.write(async (tx) => {
          const row = await findReservation(tx.db, id);
          if (row) await finishReservation(tx, { ...row, end_state: "cancelled" }, { actor: SYSTEM });
        }),
      ),
    );
    const anew = 2 * i >= releases;
    if (anew) core.plans.clear();
    took[anew ? "anew" : "kept"].push(await timed(() => planner.look(clock.now())));
  }
  await store.close();
  return took;
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await act();
  return performance.now() - started;
}

const dir = mkdtempSync(join(tmpdir(), "gd-release-"));
const postgres = await startPostgres();
console.log(
  "one release through the core   its end: p50   planned from what was kept: p50      p99   all anew: p50   ms",
);
for (const [engine, url] of [
  ["SQLite", `sqlite:${join(dir, "bench.db")}`],
  ["PostgreSQL", `${postgres.url}/postgres`],
] as const) {
  const { ends, kept, anew } = await measure(url);
  const ms = (values: number[], share: number, width: number) =>
    quantile(values, share).toFixed(1).padStart(width);
  console.log(
    `${engine.padEnd(30)} ${ms(ends, 0.5, 12)} ${ms(kept, 0.5, 32)} ${ms(kept, 0.99, 8)} ${ms(anew, 0.5, 15)}`,
  );
}
postgres.stop();
rmSync(dir, { recursive: true });
