/**
 * Lets those in who wait for room in a quota, as long as there may be thousands of them: who shares a quota with a reservation that
 * was changed is looked at at once, and all others in turns. So whatever else made room need not tell.
 */
import type { Tx } from "../../store/db.ts";
import { markPlan } from "../../store/plan-changes.ts";
import { findWaiters, listWaiters, type Waiter, waitingBeside } from "../../store/quota-waiting.ts";
import { findReservation, updateReservation } from "../../store/reservations.ts";
import { changeReservation, LostRace, SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { decided } from "../race.ts";
import { type News, newsOf } from "./line.ts";

export interface Admission {
  /** These reservations were changed: one of them may have made room. */
  changed(ids: readonly string[]): void;
  /** One look, in which some are let in. */
  look(): Promise<void>;
}

/** Looked at in one turn. */
const TURN = 50;
/** Remembered of what was changed; the turns come to what is beyond. */
const CHANGED = 200;

export function createAdmission(core: Core): Admission {
  const changes = new Set<string>();
  /** Of the last turn the last. */
  let after = 0;

  return {
    changed(ids) {
      for (const id of ids) if (changes.size < CHANGED) changes.add(id);
    },
    async look() {
      const changed = [...changes];
      changes.clear();
      const { turn, news } = await core.store.read(async (db, now) => {
        const turn = await nextTurn((seq, limit) => listWaiters(db, seq, limit), after);
        const owners = [...(await waitingBeside(db, changed)), ...ownersOf(turn)];
        return { turn, news: await newsOf(db, owners, turn, now) };
      });
      after = turn.at(-1)?.seq ?? 0;
      if (news.length > 0) await letIn(core, news);
    },
  };
}

/** From `after` on, and from the start again. */
async function nextTurn(
  list: (after: number, limit: number) => Promise<Waiter[]>,
  after: number,
): Promise<Waiter[]> {
  const rest = await list(after, TURN);
  if (rest.length === TURN || after === 0) return rest;
  const first = await list(0, TURN - rest.length);
  return [...rest, ...first.filter((row) => row.seq <= after)];
}

const ownersOf = (rows: readonly Waiter[]): string[] => rows.map((row) => row.owner_id);

/** Under the schedule lock, as creating is: so no two get the same room. What is let in is marked for the next plan of its type. */
async function letIn(core: Core, news: readonly News[]): Promise<void> {
  await decided(() =>
    core.store.write(
      async (tx) => {
        const rows = await findWaiters(
          tx.db,
          news.map(({ row }) => row.id),
        );
        for (const { row, reason } of await newsOf(tx.db, ownersOf(rows), rows, tx.now))
          await (reason === undefined ? admit(tx, row) : tell(tx, row, reason));
      },
      { lock: "schedule" },
    ),
  );
}

async function admit(tx: Tx, { id }: Waiter): Promise<void> {
  const row = await findReservation(tx.db, id);
  if (!row) throw new LostRace(`reservation ${id} is not there any more`);
  const event = { type: "admitted", detail: "there is room in the quota" };
  await changeReservation(tx, row, { actor: SYSTEM }, event, { waits_for_quota: 0, reason: null });
  await markPlan(tx, newId(), row.gpu_type, [{ about: "reservation", name: row.id }]);
}

/** Why it waits is no change of state. */
async function tell(tx: Tx, { id, version }: Waiter, reason: string): Promise<void> {
  if (await updateReservation(tx, { id, version }, { reason })) tx.touched.add(id);
}
