/** The steps from GPUs that were given to a first login that works. */
import { LaunchRefused } from "../../drivers/driver.ts";
import { findReservation } from "../../store/reservations.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { addTally } from "../../store/tallies.ts";
import { changeReservation } from "../change.ts";
import type { Core } from "../core.ts";
import type { Facts } from "../lifecycle.ts";
import { untrusted } from "../people/trust.ts";
import { launchPods, terminatePods, updatePods } from "../planning/gang.ts";
import { markHeld } from "../planning/plan-marks.ts";
import { bounded, dialPod, loginKeys, podKeys, podSpecs, secretsOf, wordsOf } from "../pods/pod.ts";
import type { ProbeResult } from "../pods/probe.ts";
import { passedWarning } from "../pods/warnings.ts";
import { note, type Progress, type Work } from "./work.ts";

export async function launch(work: Work, row: ReservationRow): Promise<Progress> {
  const { core } = work;
  const refused = await untrusted(core, row);
  if (refused !== undefined) return { row, facts: { refused } };
  const late = () => takeBack(core, row);
  let launching: Promise<void> | undefined;
  try {
    const specs = await core.store.read((db, now) => podSpecs(core, db, row, now));
    // What never comes need not be taken back.
    launching = launchPods(core.driver, specs, (coming) => void coming.then(late, () => undefined));
    await bounded("launch", launching);
  } catch (error) {
    launching?.then(late, late);
    if (error instanceof LaunchRefused)
      return { row, facts: { refused: `the pod cannot be launched: ${error.message}` } };
    return { row, facts: { failure: `launching failed: ${wordsOf(error)}` } };
  }
  await late();
  // A server that takes over launches again, which is the same pod: the first time counts.
  const noted = row.launched_at ? row : await note(work, row, (tx) => ({ launched_at: tx.at }));
  return { row: noted, facts: { launched: true } };
}

/**
 * A launch may end so late that its reservation has gone on without it, because the driver was slow or this server stalled: then
 * nobody takes the pods away before the next sweep, and their GPUs may be others' by now. What cannot be taken away, the sweep does.
 */
async function takeBack(core: Core, row: ReservationRow): Promise<void> {
  try {
    const now = await core.store.read((db) => findReservation(db, row.id));
    if (now?.attempt === row.attempt && (now.state === "preparing" || now.state === "active")) return;
    await bounded("terminate", terminatePods(core.driver, row));
    core.log(
      "warn",
      { reservation_id: row.id, pod_attempt: row.attempt },
      "took back a pod that came too late",
    );
  } catch (err) {
    const fields = { reservation_id: row.id, pod_attempt: row.attempt, err };
    core.log("warn", fields, "whether a pod came too late could not be found out");
  }
}

export async function prove(work: Work, row: ReservationRow, facts: Facts): Promise<Progress> {
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
export async function activate(work: Work, row: ReservationRow, facts: Facts): Promise<Progress> {
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
    return changeReservation(
      tx,
      row,
      by,
      { type: "active", detail: "ssh works" },
      {
        state: "active",
        reason: null,
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
