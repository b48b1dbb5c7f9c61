/** The steps of lifecycle.ts, done. Each either finds out a fact or makes one change; all may be repeated. */
import { exactDuration } from "../api/duration.ts";
import { LaunchRefused } from "../drivers/driver.ts";
import { listCapacity } from "../store/capacity.ts";
import type { Tx } from "../store/db.ts";
import { updateReservation } from "../store/reservations.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { addTally } from "../store/tallies.ts";
import * as change from "./change.ts";
import type { Core } from "./core.ts";
import { countFinding } from "./findings.ts";
import type { Facts, Step, Surroundings } from "./lifecycle.ts";
import { untrusted } from "./people/trust.ts";
import { inspectPods, launchPods, terminatePods, updatePods } from "./planning/gang.ts";
import { markHeld } from "./planning/plan-marks.ts";
import { idleAfterS } from "./pods/idle.ts";
import { endNotice, idleNotice } from "./pods/notices.ts";
import { bounded, dialPod, loginKeys, podKeys, podSpecs, secretsOf, wordsOf } from "./pods/pod.ts";
import type { ProbeResult } from "./pods/probe.ts";
import { passedWarning } from "./pods/warnings.ts";
import { lostRanks, requeue } from "./requeue.ts";

/** A reservation that this process works on under a lease. */
export interface Work {
  readonly core: Core;
  readonly by: change.Writer;
  readonly signal: AbortSignal;
}

export interface Progress {
  readonly row: ReservationRow;
  readonly facts: Facts;
  /** It waits: the lease is given back. */
  readonly paused?: true;
}

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
  patienceMs?: number,
): Promise<Facts> {
  const activity = row.state === "active" && idleAfterS(core, row.gpu_type) !== undefined;
  try {
    return { pod: await bounded("inspect", inspectPods(core.driver, row, { activity }), patienceMs) };
  } catch (error) {
    return { pod: { state: "unknown", reason: `the driver could not be asked: ${wordsOf(error)}` } };
  }
}

async function launch(work: Work, row: ReservationRow): Promise<Progress> {
  const { core } = work;
  const refused = await untrusted(core, row);
  if (refused !== undefined) return { row, facts: { refused } };
  const specs = await core.store.read((db, now) => podSpecs(db, row, now));
  try {
    await bounded("launch", launchPods(core.driver, specs));
  } catch (error) {
    if (error instanceof LaunchRefused)
      return { row, facts: { refused: `the pod cannot be launched: ${error.message}` } };
    return { row, facts: { failure: `launching failed: ${wordsOf(error)}` } };
  }
  // A server that takes over launches again, which is the same pod: the first time counts.
  const noted = row.launched_at ? row : await note(work, row, (tx) => ({ launched_at: tx.at }));
  return { row: noted, facts: { launched: true } };
}

async function prove(work: Work, row: ReservationRow, facts: Facts): Promise<Progress> {
  const { core, signal } = work;
  const result = await proveAll(work, row);
  if (result.ok) return { row, facts: { ...facts, proved: await core.store.now() } };
  // A try that was cut off because the server stops says nothing about the pod.
  if (signal.aborted) return { row, facts: {} };
  const failure = `ssh: ${result.cause} (${result.detail})`;
  const counted = await note(work, row, async (tx) => {
    await addTally(tx, "unproved", result.cause);
    return {
      ssh_attempts: row.ssh_attempts + 1,
      ssh_tried_at: tx.at,
      ssh_cause: result.cause,
      ssh_detail: result.detail,
      last_error: failure,
    };
  });
  if (result.cause === "key rejected") await admitProbe(work, row);
  return { row: counted, facts: { failure } };
}

/** One login to each pod; what the first that failed says. */
async function proveAll({ core, signal }: Work, row: ReservationRow): Promise<ProbeResult> {
  const secrets = await core.store.read((db) => secretsOf(db, row));
  const results = await Promise.all(
    Array.from({ length: row.node_count }, (_, rank) =>
      core.probe({
        dial: () => dialPod(core, row, 22, rank),
        user: row.ssh_user ?? "",
        hostKey: row.host_key ?? "",
        privateKey: secrets.probe_key,
        signal,
      }),
    ),
  );
  const rank = results.findIndex((result) => !result.ok);
  const failed = results[rank];
  if (!failed || failed.ok) return { ok: true };
  return row.node_count === 1 ? failed : { ...failed, detail: `node ${rank}: ${failed.detail}` };
}

/** A server that ended between the two changes of `activate` has taken the probe's key away already: the next try needs it again. */
async function admitProbe({ core }: Work, row: ReservationRow): Promise<void> {
  const authorizedKeys = await core.store.read((db) => podKeys(db, row));
  try {
    await bounded("update", updatePods(core.driver, row, { authorizedKeys }));
  } catch (error) {
    const fields = { reservation_id: row.id, error: wordsOf(error) };
    core.log("warn", fields, "the probe's key could not be given to the pod again");
  }
}

/** From here on the time counts. The probe's key is taken away with the same call that sets the pod's own deadline. */
async function activate(work: Work, row: ReservationRow, facts: Facts): Promise<Progress> {
  const { core, by } = work;
  const authorizedKeys = await core.store.read((db) => loginKeys(db, row));
  try {
    await bounded("update", updatePods(core.driver, row, { deadlineS: row.duration_s, authorizedKeys }));
  } catch (error) {
    return { row, facts: { failure: `the pod's deadline could not be set: ${wordsOf(error)}` } };
  }
  const active = await core.store.write(async (tx) => {
    // It ends earlier than the plan had to assume.
    await markHeld(tx, row);
    const ends_at = new Date(tx.now.getTime() + row.duration_s * 1000).toISOString();
    return change.changeReservation(
      tx,
      row,
      by,
      { type: "active", detail: "ssh works" },
      {
        state: "active",
        proved_at: facts.proved?.toISOString() ?? null,
        started_at: tx.at,
        ends_at,
        warned_s: passedWarning(row.duration_s),
        keys_stale: 0,
        ssh_attempts: row.ssh_attempts + 1,
        ssh_tried_at: facts.proved?.toISOString() ?? null,
        ssh_cause: null,
        ssh_detail: null,
        last_error: null,
        next_step_at: tx.at,
      },
    );
  });
  core.signals.emit("activated", {
    preparingMs: between(row.state_since, active.state_since),
    verifyingMs: between(row.launched_at, active.proved_at),
  });
  return { row: active, facts: { pod: { state: "running" } } };
}

/** Milliseconds; none where the database's clock was set back, or one of them is not known. */
const between = (from: string | null, to: string | null): number =>
  from === null || to === null ? 0 : Math.max(0, Date.parse(to) - Date.parse(from));

/** Gives the pod the keys of those who may come in now. A change that comes in between marks the row again. */
async function admit(work: Work, row: ReservationRow, facts: Facts): Promise<Progress> {
  const { core } = work;
  const authorizedKeys = await core.store.read((db) => loginKeys(db, row));
  try {
    await bounded("update", updatePods(core.driver, row, { authorizedKeys }));
  } catch (error) {
    return { row, facts: { failure: `the pod could not be told who may log in: ${wordsOf(error)}` } };
  }
  const told = await note(work, row, () => ({ keys_stale: 0, last_error: null }));
  return { row: told, facts };
}

/** First the pod, then the row: who is told twice, because the server died in between, is told by the driver once. */
async function warn(
  { core, by }: Work,
  row: ReservationRow,
  facts: Facts,
  aheadS: number,
): Promise<Progress> {
  const notice = await core.store.read((db) => endNotice(core, db, row, aheadS));
  try {
    await bounded("update", updatePods(core.driver, row, { endNotice: notice }));
  } catch (error) {
    return { row, facts: { failure: `the end that is near could not be told: ${wordsOf(error)}` } };
  }
  const detail = `ends within ${exactDuration(aheadS)}, at ${row.ends_at}`;
  const told = await core.store.write((tx) =>
    change.changeReservation(tx, row, by, { type: "warned", detail }, { warned_s: aheadS, last_error: null }),
  );
  return { row: told, facts };
}

/** That it is idle is told in the pod before it counts as told; that it is in use again, only if it was told. */
async function changeIdle(
  work: Work,
  row: ReservationRow,
  facts: Facts,
  idle: "begins" | "told" | "over",
): Promise<Progress> {
  const { core, by } = work;
  const none = { idle_since: null, idle_warned_at: null };
  if (idle === "begins") return { row: await note(work, row, (tx) => ({ idle_since: tx.at })), facts };
  if (idle === "over" && row.idle_warned_at === null)
    return { row: await note(work, row, () => none), facts };
  const told = idle === "told";
  const notice = told ? idleNotice(row, idleAfterS(core, row.gpu_type) ?? 0) : "";
  try {
    await bounded("update", updatePods(core.driver, row, { idleNotice: notice }));
  } catch (error) {
    return { row, facts: { failure: `what is said of its use could not be told: ${wordsOf(error)}` } };
  }
  const event = told
    ? { type: "idle", detail: `without ssh connection and work for its GPUs since ${row.idle_since}` }
    : { type: "in use", detail: null };
  const changed = await core.store.write((tx) =>
    change.changeReservation(tx, row, by, event, told ? { idle_warned_at: tx.at, last_error: null } : none),
  );
  return { row: changed, facts };
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
  (step.ghostSince === undefined || step.ghostSince === row.ghost_since);

async function wait(work: Work, row: ReservationRow, step: Step & { do: "wait" }): Promise<ReservationRow> {
  const waiting = await work.core.store.write(async (tx) => {
    const written = await updateReservation(
      tx,
      { id: row.id, version: row.version, leasedBy: work.by.leasedBy },
      {
        next_step_at: new Date(tx.now.getTime() + step.ms).toISOString(),
        last_error: step.lastError,
        ...(step.ghostSince === undefined ? {} : { ghost_since: step.ghostSince }),
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

/** Columns that are no change of state: the version stays, so that it counts the entries of the history. */
async function note(
  { core, by }: Work,
  row: ReservationRow,
  set: (tx: Tx) => Partial<ReservationRow> | Promise<Partial<ReservationRow>>,
): Promise<ReservationRow> {
  const noted = await core.store.write(async (tx) =>
    updateReservation(tx, { id: row.id, version: row.version, leasedBy: by.leasedBy }, await set(tx)),
  );
  if (!noted) throw new change.LostRace(`reservation ${row.id} changed meanwhile`);
  return noted;
}
