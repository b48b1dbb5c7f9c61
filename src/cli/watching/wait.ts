/** Waiting for a reservation, which is followed within a bound (C-16). */
import { exactDuration } from "../../api/duration.ts";
import { EXIT } from "../../api/errors.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { endedWords, gpus, isFinal, label, startOf } from "../output/reservation.ts";
import { reservationFeed } from "./feed.ts";
import { settle, type WaitOptions } from "./settle.ts";

/**
 * Resolves with the reservation as soon as it is active. Throws CliError `still_pending` (exit 8) at the bound, `ended`
 * (exit 10 for failed, 9 for what was cancelled or expired), and the signal's reason.
 */
export const waitUntilActive = (
  ctx: Context,
  first: Reservation,
  options: WaitOptions,
): Promise<Reservation> =>
  watch(ctx, first, options, (r) => {
    if (isFinal(r)) throw endedWhileWaiting(r);
    return r.state === "active";
  });

/** Resolves as soon as it is over and its GPUs are free. Throws CliError `still_pending` (exit 8), and the signal's reason. */
export const waitUntilOver = (ctx: Context, first: Reservation, options: WaitOptions): Promise<Reservation> =>
  watch(ctx, first, options, isFinal);

const watch = (
  ctx: Context,
  first: Reservation,
  options: WaitOptions,
  isSettled: (r: Reservation) => boolean,
): Promise<Reservation> =>
  settle(
    ctx,
    first,
    {
      feed: reservationFeed(first.id),
      isSettled,
      phaseOf: (r) => [r.state, r.queue_position, r.node, stage(r), r.last_error].join(" "),
      wordsOf: (r) => phaseWords(ctx, r),
      stillPending: (r) => stillPending(r, options.timeoutS),
    },
    options,
  );

function phaseWords(ctx: Context, r: Reservation): string {
  if (r.state === "preparing") {
    const what = r.reason === null ? "" : `: ${r.reason}`;
    return `Preparing ${gpus(r)}${r.node === null ? "" : ` on ${r.node}`}${what}${trouble(r)}`;
  }
  if (r.state === "ending") return `${endedWords(r)}${trouble(r)}`;
  const place = r.queue_position === null ? "" : ` as #${r.queue_position}`;
  const start = startOf(r, ctx.clock.now());
  return `Queued${place} for ${gpus(r)}, start ${typeof start === "string" ? start : start.text}`;
}

/** What is being done, without how far it is. */
const stage = (r: Reservation): string =>
  r.state === "preparing" ? (r.reason ?? "").replace(/: .*/s, "") : "";

const trouble = (r: Reservation): string => (r.last_error === null ? "" : `; last try: ${r.last_error}`);

function endedWhileWaiting(r: Reservation): CliError {
  const [code, exit] =
    r.state === "failed"
      ? (["reservation_failed", EXIT.failed] as const)
      : (["reservation_ended", EXIT.conflict] as const);
  return new CliError(code, exit, endedWords(r, " before ssh worked"), {
    hint: `\`gpu-dev show ${r.id}\` has its history.`,
    extra: { reservation: r },
  });
}

const stillPending = (r: Reservation, timeoutS: number): CliError =>
  new CliError(
    "still_pending",
    EXIT.pending,
    `${label(r)} is still ${r.state} after ${exactDuration(timeoutS)}${r.state === "ending" ? trouble(r) : "; it stays reserved"}`,
    {
      hint: `Follow it with \`gpu-dev show ${label(r)}\`${r.state === "ending" ? "" : `, end it with \`gpu-dev cancel ${label(r)}\``}.`,
      extra: { reservation: r },
    },
  );
