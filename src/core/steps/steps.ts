/** The steps of lifecycle.ts, done. Each either finds out a fact or makes one change; all may be repeated. */
import { listCapacity } from "../../store/capacity.ts";
import { updateReservation } from "../../store/reservations.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import * as change from "../change.ts";
import type { Core } from "../core.ts";
import { countFinding } from "../findings.ts";
import type { Facts, Step, Surroundings } from "../lifecycle.ts";
import { inspectPods, terminatePods } from "../planning/gang.ts";
import { idleAfterS } from "../pods/idle.ts";
import { bounded, wordsOf } from "../pods/pod.ts";
import { lostRanks, requeue } from "../requeue.ts";
import { admit, changeIdle, warn } from "./running.ts";
import { activate, launch, prove } from "./starting.ts";
import type { Progress, Work } from "./work.ts";

/** What lifecycle.ts needs to know beside the row. */
export async function surroundings(core: Core, db: Db, row: ReservationRow): Promise<Surroundings> {
  const nodes = await listCapacity(db, row.gpu_type);
  return {
    offered: nodes.filter((n) => n.places >= row.places).length >= row.node_count,
    nodeLost: (await lostRanks(db, row, nodes)).size > 0,
    idleAfterS: idleAfterS(core, row.gpu_type),
  };
}

/** Does `step`. Throws LostRace when the row is somebody else's by now, and whatever the driver did not intend. */
export async function takeStep(work: Work, row: ReservationRow, facts: Facts, step: Step): Promise<Progress> {
  switch (step.do) {
    case "inspect":
      return { row, facts: { ...facts, ...(await inspect(work, row)) } };
    case "launch":
      return launch(work, row);
    case "prove":
      return prove(work, row, facts);
    case "activate":
      return activate(work, row, facts);
    case "admit":
      return admit(work, row, facts);
    case "warn":
      return warn(work, row, facts, step.aheadS);
    case "idle":
      return changeIdle(work, row, facts, step.change);
    case "terminate":
      return { row, facts: await terminate(work, row) };
    case "requeue":
      return requeue(work, row, step.reason);
    case "end":
      return { row: await end(work, row, step), facts: {} };
    case "finish":
      return { row: await finish(work, row), facts: {} };
    case "wait":
      return { row: await wait(work, row, step), facts: {}, paused: true };
    default:
      throw new Error(`unknown step ${JSON.stringify(step satisfies never)}`);
  }
}

/** The driver's view, or why it could not be asked within `patienceMs`. */
export async function inspect(
  { core }: Pick<Work, "core">,
  row: ReservationRow,
  { remark, patienceMs }: { readonly remark?: true; readonly patienceMs?: number } = {},
): Promise<Facts> {
  const activity = row.state === "active" && idleAfterS(core, row.gpu_type) !== undefined;
  try {
    return { pod: await bounded("inspect", inspectPods(core.driver, row, { activity, remark }), patienceMs) };
  } catch (error) {
    return { pod: { state: "unknown", reason: `the driver could not be asked: ${wordsOf(error)}` } };
  }
}

async function terminate({ core }: Work, row: ReservationRow): Promise<Facts> {
  try {
    await bounded("terminate", terminatePods(core.driver, row));
    return { gone: true };
  } catch (error) {
    return { failure: `taking the pod away failed: ${wordsOf(error)}` };
  }
}

async function end(work: Work, row: ReservationRow, step: Step & { do: "end" }): Promise<ReservationRow> {
  const { core, by } = work;
  const ended = await core.store.write(async (tx) => {
    // Nobody ended it: while it was active, only the pod can have failed.
    if (row.state === "active" && step.as === "failed") await countFinding(tx, "lost_pod");
    return change.endReservation(tx, row, by, step.as, step.reason);
  });
  core.signals.emit("ended", ended.id, change.endedProblem(ended));
  core.log("info", { reservation_id: row.id, end: step.as, reason: step.reason }, "reservation ends");
  return ended;
}

function finish({ core, by }: Work, row: ReservationRow): Promise<ReservationRow> {
  return core.store.write((tx) => change.finishReservation(tx, row, by));
}

/** True for a step that would write nothing into the row but when to look again. */
export const onlyWaits = (row: ReservationRow, step: Step): step is Step & { do: "wait" } =>
  step.do === "wait" &&
  step.lastError === row.last_error &&
  (step.ghostSince === undefined || step.ghostSince === row.ghost_since) &&
  (step.reason === undefined || step.reason === row.reason);

async function wait(work: Work, row: ReservationRow, step: Step & { do: "wait" }): Promise<ReservationRow> {
  const waiting = await work.core.store.write(async (tx) => {
    const written = await updateReservation(
      tx,
      { id: row.id, version: row.version, leasedBy: work.by.leasedBy },
      {
        next_step_at: new Date(tx.now.getTime() + step.ms).toISOString(),
        last_error: step.lastError,
        ...(step.ghostSince === undefined ? {} : { ghost_since: step.ghostSince }),
        ...(step.reason === undefined ? {} : { reason: step.reason }),
        leased_by: null,
        leased_until: null,
      },
    );
    if (!written) throw new change.LostRace(`reservation ${row.id} changed meanwhile`);
    return written;
  });
  logTrouble(work.core, row, step.lastError);
  return waiting;
}

/** Trouble is logged when it begins and when it is over, not each time that it is seen. */
function logTrouble(core: Core, row: ReservationRow, now: string | null): void {
  const fields = { reservation_id: row.id, state: row.state };
  if (row.last_error === null && now !== null)
    core.log("warn", { ...fields, error: now }, "reservation is in trouble");
  if (row.last_error !== null && now === null) core.log("info", fields, "reservation is out of trouble");
}
