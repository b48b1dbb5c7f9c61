/** Commands that need a pod wait for one that is seconds away, and refuse the others with the reason. */
import { EXIT } from "../../api/errors.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { endedWords, isFinal, label, outlook } from "../output/reservation.ts";
import { waitUntilActive } from "./wait.ts";

/** One that is being prepared is seconds away; a queued one may be hours. */
const PREPARING_TIMEOUT_S = 60;

/** The reservation once ssh works. Throws CliError `not_ready` or `reservation_ended` (exit 9). */
export async function whenActive(ctx: Context, r: Reservation): Promise<Reservation> {
  if (r.state === "active") return r;
  if (r.state === "preparing") return await waitInterruptibly(ctx, r);
  if (isFinal(r) || r.state === "ending") throw ended(r);
  const start = outlook(r, ctx.clock.now());
  throw new CliError(
    "not_ready",
    EXIT.conflict,
    `${label(r)} is still queued: ${typeof start === "string" ? start : start.text}`,
    {
      hint: `\`gpu-dev show ${label(r)}\` follows it.`,
      extra: { reservation: r },
    },
  );
}

async function waitInterruptibly(ctx: Context, r: Reservation): Promise<Reservation> {
  const interrupt = ctx.watchInterrupt();
  try {
    return await waitUntilActive(ctx, r, { timeoutS: PREPARING_TIMEOUT_S, signal: interrupt.signal });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError("interrupted", EXIT.interrupted, "Interrupted", {
      hint: `${label(r)} is still being prepared.`,
    });
  } finally {
    interrupt.stop();
  }
}

/** The failure that tells it. */
export const ended = (r: Reservation): CliError =>
  new CliError("reservation_ended", EXIT.conflict, endedAt(r), {
    hint: "`gpu-dev list` shows those that live; `gpu-dev reserve` makes another.",
    extra: { reservation: r },
  });

/** That it is over, since when and why. */
export const endedAt = (r: Reservation): string =>
  endedWords(r, r.ended_at === null ? "" : ` since ${r.ended_at}`);
