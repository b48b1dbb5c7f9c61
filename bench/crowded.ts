/** The crowd of bench/plan.ts in a database: all that is held runs, and the queue waits. */
import type { Core } from "../src/core/core.ts";
import { syncCapacity } from "../src/core/gpus/inventory.ts";
import type { AllocationRow } from "../src/store/gpu-tables.ts";
import type { ReservationRow, Tables } from "../src/store/tables.ts";
import { type FakeDriver, h100 } from "../test/helpers/fake-driver.ts";
import { reservationRow } from "../test/helpers/reservation-row.ts";
import type { Crowd } from "./crowd.ts";

/** Rows of one statement; SQLite takes 32,766 parameters. */
const AT_ONCE = 500;
const OWNERS = 100;
const RANKS = ["low", "normal", "high"] as const;

/** Fills an empty database; the reservations that run, in the order of their nodes. */
export async function fill(core: Core & { readonly driver: FakeDriver }, crowd: Crowd): Promise<string[]> {
  core.driver.nodes = crowd.nodes.map(({ node, places }) => h100(places, node));
  await syncCapacity(core);
  const running = runningRows(crowd);
  const allocations = running.flatMap(({ allocations }) => allocations);
  await insertAll(core, "users", ownersOf(crowd));
  await insertAll(core, "reservations", [...running.map(({ row }) => row), ...waitingRows(crowd)]);
  const devices = allocations.map((a) => ({
    node: a.node,
    device_type: a.device_type,
    device_index: a.device_index,
    used_as: a.gpu_type,
  }));
  await insertAll(core, "devices", devices);
  await insertAll(core, "allocations", allocations);
  return running.map(({ row }) => row.id);
}

async function insertAll<T extends keyof Tables>(core: Core, table: T, rows: Tables[T][]): Promise<void> {
  for (let i = 0; i < rows.length; i += AT_ONCE)
    await core.store.write((tx) =>
      tx.db
        .insertInto(table as never)
        .values(rows.slice(i, i + AT_ONCE) as never)
        .execute(),
    );
}

const idOf = (kind: string, i: number): string => `${kind}${String(i).padStart(19, "a")}`;
const instant = (ms: number): string => new Date(ms).toISOString();

const ownersOf = ({ now }: Crowd): Tables["users"][] =>
  Array.from({ length: OWNERS }, (_, i) => ({
    id: idOf("u", i),
    name: `user-${i}`,
    role: "user",
    created_at: instant(now),
    disabled_at: null,
  }));

function runningRows({ holds, now }: Crowd): { row: ReservationRow; allocations: AllocationRow[] }[] {
  const given = new Map<string, number>();
  return holds.map(({ node, places, freeAt = now }, i) => {
    const first = given.get(node) ?? 0;
    given.set(node, first + places);
    const end = freeAt - 60_000;
    const row = reservationRow(instant(now - 3_600_000), {
      id: idOf("h", i),
      seq: i + 1,
      owner_id: idOf("u", i % OWNERS),
      state: "active",
      gpu_count: places,
      places,
      duration_s: Math.round((end - now) / 1000) + 3600,
      started_at: instant(now - 3_600_000),
      ends_at: instant(end),
      node,
      attempt: 1,
      next_step_at: instant(end),
    });
    const allocations = Array.from({ length: places }, (_, k) => ({
      node,
      gpu_type: "h100",
      gpu_index: first + k,
      device_type: "h100",
      device_index: first + k,
      node_rank: 0,
      reservation_id: row.id,
    }));
    return { row, allocations };
  });
}

const waitingRows = ({ queue, holds, now }: Crowd): ReservationRow[] =>
  queue.map(({ seq, places, nodes, durationS, notBefore, priority }) =>
    reservationRow(instant(now), {
      id: idOf("q", seq),
      seq: holds.length + seq + 1,
      owner_id: idOf("u", seq % OWNERS),
      gpu_count: places * nodes,
      places,
      node_count: nodes,
      duration_s: durationS,
      not_before: notBefore === undefined ? null : instant(notBefore),
      priority: RANKS[priority] ?? "normal",
      queue_deadline: instant(now + 48 * 3_600_000),
    }),
  );
