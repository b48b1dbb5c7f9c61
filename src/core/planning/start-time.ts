/** A start that was asked for (`--at`, `--no-queue`): checked, and refused at once when it cannot be. */
import { exactDuration } from "../../api/duration.ts";
import { Problem } from "../../api/errors.ts";
import type { CreateReservation } from "../../api/reservations.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { wanted } from "../lifecycle.ts";
import type { Planned } from "../plan/model.ts";

/** How far ahead a start may be reserved. */
const MAX_AHEAD_MS = 90 * 86_400_000;

type StartWish = Pick<CreateReservation, "queue" | "start_at">;

/** It lies ahead, and not so far that nobody knows what there will be. Throws Problem invalid_input. */
export function checkStart({ start_at }: StartWish, now: Date): void {
  if (start_at === undefined) return;
  const ahead = Date.parse(start_at) - now.getTime();
  if (ahead < 0) throw badStart(`${start_at} is over: it is ${now.toISOString()} now`);
  if (ahead > MAX_AHEAD_MS) throw badStart(`must be within ${exactDuration(MAX_AHEAD_MS / 1000)} from now`);
}

function badStart(detail: string): Problem {
  return new Problem("invalid_input", `start_at: ${detail}`, {
    errors: [{ field: "start_at", code: "invalid", detail }],
  });
}

/** Who does not want to wait, or wants its GPUs at a time, does not get them later. Throws Problem no_capacity or taken_then. */
export function refuseLateStart(wish: StartWish, row: ReservationRow, { start, startsNow }: Planned): void {
  if (wish.start_at !== undefined) {
    if (start !== Date.parse(wish.start_at)) throw takenThen(wish.start_at, row, start);
  } else if (wish.queue === false && !startsNow) {
    // Free ones may be promised: what it asks for is too long to go before those who wait.
    throw new Problem("no_capacity", `${wanted(row)} cannot start now: it is taken, or promised to others`, {
      hint: "leave out --no-queue to wait in the queue; gpu-dev avail shows what is free",
    });
  }
}

function takenThen(at: string, row: ReservationRow, start: number | null): Problem {
  const refused = `${wanted(row)} cannot be free for ${exactDuration(row.duration_s)} from ${at}`;
  if (start === null) return new Problem("taken_then", `${refused}, and nobody can tell when`);
  const next = minute(start);
  return new Problem("taken_then", `${refused}; the next time that fits is ${next}`, {
    hint: `ask for that time: --at ${next}`,
    errors: [{ field: "start_at", code: "taken", detail: next }],
  });
}

/** The minute at or after an instant, UTC: a wait is rounded up (C-06). */
const minute = (ms: number): string =>
  new Date(Math.ceil(ms / 60_000) * 60_000).toISOString().replace(":00.000Z", "Z");
