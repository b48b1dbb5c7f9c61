/** One reservation, from where it is to where it waits or is over. */
import { dropLease } from "../store/leases.ts";
import { findReservation } from "../store/reservations.ts";
import type { ReservationRow } from "../store/tables.ts";
import { isFinal, LostRace } from "./change.ts";
import { type Facts, nextStep } from "./lifecycle.ts";
import { surroundings, takeStep } from "./steps/steps.ts";
import type { Progress, Work } from "./steps/work.ts";

/** Brings reservation `id`, on which `work` holds a lease, as far as it goes now. Throws what the driver did not intend. */
export async function advance(work: Work, id: string): Promise<void> {
  const { core, by, signal } = work;
  let row = await mine(work, id);
  let facts: Facts = {};
  while (row && !isFinal(row)) {
    if (signal.aborted) {
      await core.store.write((tx) => dropLease(tx, by.leasedBy, id));
      return;
    }
    try {
      const progress = await takeNextStep(work, row, facts);
      if (progress.paused) return;
      ({ row, facts } = progress);
    } catch (error) {
      if (!(error instanceof LostRace)) throw error;
      row = await mine(work, id);
      facts = {};
    }
  }
}

async function takeNextStep(work: Work, row: ReservationRow, facts: Facts): Promise<Progress> {
  const { core } = work;
  const [around, now] = await core.store.read(
    async (db, at) => [await surroundings(core, db, row), at] as const,
  );
  const step = nextStep(row, facts, around, now);
  const about = { reservation_id: row.id, state: row.state, pod_attempt: row.attempt };
  return core.trace(`step ${step.do}`, about, () => takeStep(work, row, facts, step));
}

/** The row as it is now, if the lease still is. */
async function mine({ core, by }: Work, id: string): Promise<ReservationRow | undefined> {
  const row = await core.store.read((db) => findReservation(db, id));
  return row?.leased_by === by.leasedBy ? row : undefined;
}
