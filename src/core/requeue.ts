/** Back to the queue: what becomes of a reservation whose node is lost before its pod is ready (S-07). */
import { allocationsOf } from "../store/allocations.ts";
import { listCapacity } from "../store/capacity.ts";
import type { CapacityRow } from "../store/gpu-tables.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { changeReservation } from "./change.ts";
import type { Core } from "./core.ts";
import { countFinding } from "./findings.ts";
import { QUEUED_MS } from "./lifecycle.ts";
import { nodeOfPod, podNames } from "./planning/gang.ts";
import { giveBack } from "./planning/plan-marks.ts";
import { bounded, wordsOf } from "./pods/pod.ts";
import type { Progress, Work } from "./steps/work.ts";

/** A node that is lost may still answer; it is not waited for longer than this. */
const LOST_MS = 5000;

/** The ranks whose node has failed or is not reported any more; `offers` are those of its type. */
export async function lostRanks(
  db: Db,
  row: ReservationRow,
  offers: readonly CapacityRow[],
): Promise<Set<number>> {
  const healthy = new Set(offers.flatMap(({ node, healthy }) => (healthy === 1 ? [node] : [])));
  const own =
    row.node_count === 1 ? [{ node_rank: 0, node: row.node ?? "" }] : await allocationsOf(db, [row.id]);
  return new Set(own.flatMap(({ node_rank, node }) => (healthy.has(node) ? [] : [node_rank])));
}

/** First its pods go, since its GPUs are for others from then on. */
export async function requeue({ core, by }: Work, row: ReservationRow, reason: string): Promise<Progress> {
  const failure = await takePodsAway(core, row);
  if (failure !== undefined) return { row, facts: { failure } };
  const queued = await core.store.write(async (tx) => {
    await giveBack(tx, row);
    await countFinding(tx, "lost_node");
    return changeReservation(
      tx,
      row,
      by,
      { type: "requeued", detail: reason },
      {
        state: "queued",
        reason,
        node: null,
        preparing_deadline: null,
        placed_at: null,
        launched_at: null,
        // It was kept; what comes now is told anew.
        promised_start_at: null,
        queue_deadline: new Date(tx.now.getTime() + QUEUED_MS).toISOString(),
        last_error: null,
        next_step_at: tx.at,
      },
    );
  });
  return { row: queued, facts: {} };
}

/** Why one may still be there. On a lost node it may: nothing is placed there, and when it comes back the sweep finds an orphan. */
async function takePodsAway({ store, driver }: Core, row: ReservationRow): Promise<string | undefined> {
  const lost = await store.read(async (db) => lostRanks(db, row, await listCapacity(db, row.gpu_type)));
  const done = await Promise.allSettled(
    podNames(row).map((name, rank) =>
      bounded("terminate", driver.terminate(name, nodeOfPod(row)), lost.has(rank) ? LOST_MS : undefined),
    ),
  );
  const failed = done.find((one, rank) => one.status === "rejected" && !lost.has(rank));
  return failed?.status === "rejected" ? `taking its pods away failed: ${wordsOf(failed.reason)}` : undefined;
}
