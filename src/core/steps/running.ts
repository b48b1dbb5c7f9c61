/** The steps of a reservation that is active: its pod is told what its owner should know, and who may log in. */
import { exactDuration } from "../../api/duration.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { changeReservation } from "../change.ts";
import type { Facts } from "../lifecycle.ts";
import { updatePods } from "../planning/gang.ts";
import { idleAfterS } from "../pods/idle.ts";
import { endNotice, idleNotice } from "../pods/notices.ts";
import { bounded, loginKeys, wordsOf } from "../pods/pod.ts";
import { note, type Progress, type Work } from "./work.ts";

/** Gives the pod the keys of those who may come in now. A change that comes in between marks the row again. */
export async function admit(work: Work, row: ReservationRow, facts: Facts): Promise<Progress> {
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
export async function warn(
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
    changeReservation(tx, row, by, { type: "warned", detail }, { warned_s: aheadS, last_error: null }),
  );
  return { row: told, facts };
}

/** That it is idle is told in the pod before it counts as told; that it is in use again, only if it was told. */
export async function changeIdle(
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
    changeReservation(tx, row, by, event, told ? { idle_warned_at: tx.at, last_error: null } : none),
  );
  return { row: changed, facts };
}
