/** `gpu-dev cancel`: ends reservations now; a person is asked before. */
import { EXIT } from "../../api/errors.ts";
import type { Reservation } from "../../api/reservations.ts";
import { defineCommand, type Values } from "../command.ts";
import type { Context } from "../context.ts";
import { CliError, Declined, type Failure, failureOf } from "../errors.ts";
import { findReservation, isOwn, wordOrAsked } from "../find.ts";
import { flag } from "../options.ts";
import type { Output } from "../output/output.ts";
import { gpus, label, stateCell } from "../output/reservation.ts";
import { sayFailure } from "../say-failure.ts";
import { refreshSshFiles } from "../ssh/ssh-files.ts";
import { waitUntilOver } from "../watching/wait.ts";

/** Taking a pod away takes a second; what takes longer is in trouble, and the server goes on trying. */
const TIMEOUT_S = 60;

const options = {
  yes: flag("-y, --yes", "Do not ask"),
  noWait: flag("--no-wait", "Do not wait until the GPUs are free again"),
};
type Given = Values<typeof options>;

export const command = defineCommand({
  arguments: [
    {
      name: "reservation",
      summary:
        "Ids, names, or the first 4 or more characters of ids; may be left out on a terminal and inside a pod",
      variadic: true,
      completes: "reservations",
    },
  ],
  options,
  details:
    "On a terminal it asks first, unless --yes says so. Waits until the GPUs are free again, at most a minute (then exit 8; the server goes on). Cancelling again answers the same. Of several, each is tried; the exit code is that of the first failure.",
  examples: [
    { line: "gpu-dev cancel train", meaning: "Ends it and releases its GPUs" },
    { line: "gpu-dev cancel train eval", meaning: "Ends both" },
    { line: "gpu-dev cancel", meaning: "Inside a pod: ends the reservation that it belongs to" },
  ],
  async run(words, given, ctx): Promise<Output> {
    const results =
      words.length < 2 ? [await cancelOne(ctx, words[0], given)] : await cancelEach(ctx, words, given);
    if (!results.some((r) => !isFailure(r) && r.access === "pod")) await refreshSshFiles(ctx);
    const done = results.filter((r): r is Reservation => !isFailure(r));
    return {
      json:
        words.length < 2
          ? done[0]
          : { items: results.map((r) => (isFailure(r) ? { error: r.document } : r)) },
      header: ["NAME", "ID", "STATE", "GPUS"],
      rows: done.map((r) => [r.name ?? "", r.id, stateCell(r), gpus(r)]),
      exit: results.find(isFailure)?.exit ?? EXIT.ok,
    };
  },
});

const isFailure = (result: Reservation | Failure): result is Failure => "exit" in result;

async function cancelOne(ctx: Context, word: string | undefined, given: Given): Promise<Reservation> {
  const found = await findReservation(ctx.api(), await wordOrAsked(ctx, word, isOwn));
  await agree(ctx, given, `${label(found)} (${gpus(found)}, ${found.state})`);
  return await cancel(ctx, found, given);
}

/** Throws Declined. Where nobody can be asked, the command line is the answer. */
async function agree(ctx: Context, { yes }: Given, what: string): Promise<void> {
  if (ctx.interactive && !yes && !(await ctx.prompts.confirm(`Cancel ${what}?`))) throw new Declined();
}

async function cancel(ctx: Context, found: Reservation, { noWait }: Given): Promise<Reservation> {
  // The same cancel may be sent twice: the key lets a broken connection be tried again.
  const asked = await ctx
    .api()
    .cancelReservation({ params: { id: found.id }, idempotencyKey: `cancel-${found.id}` });
  return noWait ? asked : await over(ctx, asked);
}

/** Ctrl-C stops the waiting only: what was cancelled stays cancelled. */
async function over(ctx: Context, asked: Reservation): Promise<Reservation> {
  const interrupt = ctx.watchInterrupt();
  try {
    return await waitUntilOver(ctx, asked, { timeoutS: TIMEOUT_S, signal: interrupt.signal });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError("interrupted", EXIT.interrupted, "Interrupted", {
      hint: `${label(asked)} is cancelled all the same; the server takes it away.`,
      extra: { reservation: asked },
    });
  } finally {
    interrupt.stop();
  }
}

/** One after the other; a failing one does not stop the rest. */
async function cancelEach(
  ctx: Context,
  words: readonly string[],
  given: Given,
): Promise<(Reservation | Failure)[]> {
  await agree(ctx, given, words.join(", "));
  const results: (Reservation | Failure)[] = [];
  for (const word of words) {
    try {
      results.push(await cancel(ctx, await findReservation(ctx.api(), word), given));
    } catch (error) {
      const failure = failureOf(error);
      if (!ctx.global.json) await sayFailure(ctx, failure, word);
      results.push(failure);
    }
  }
  return results;
}
