/** `--watch`: the same output again after each change, until Ctrl-C, the end of what is watched, or the bound (C-16). */
import { exactDuration } from "../../api/duration.ts";
import { EXIT } from "../../api/errors.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { type Output, printLine, render } from "../output/output.ts";
import { pick } from "../output/pick.ts";
import { createScreen } from "../output/screen.ts";
import type { Feed } from "./feed.ts";
import { follow } from "./follow.ts";

/** Every wait has an end; a day is longer than anybody looks at a terminal. */
const DEFAULT_TIMEOUT_S = 24 * 3600;

export interface WatchOptions {
  readonly timeoutS: number | undefined;
}

/** Shows each state of `feed` as `output` has it; the exit code. Throws CliError `still_pending` (exit 8) at the bound, and what cannot pass. */
export function watch<T>(
  ctx: Context,
  feed: Feed<T>,
  output: (state: T, now: Date) => Output,
  options: WatchOptions,
): Promise<number> {
  const writer = writerFor(ctx);
  let latest: T | undefined;
  const show = async (state: T | undefined): Promise<void> => {
    latest = state ?? latest;
    if (latest !== undefined) await writer(output(latest, ctx.clock.now()));
  };
  return watchEach(ctx, feed, show, options);
}

/** The same with `each` told of every state, and of undefined now and then in between. */
export async function watchEach<T>(
  ctx: Context,
  feed: Feed<T>,
  each: (state: T | undefined) => Promise<void> | void,
  { timeoutS = DEFAULT_TIMEOUT_S }: WatchOptions,
): Promise<number> {
  const interrupt = ctx.watchInterrupt();
  try {
    return await toTheEnd(ctx, feed, each, timeoutS, interrupt.signal);
  } catch (error) {
    // The usual end of a watch that has none of its own.
    if (interrupt.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    interrupt.stop();
  }
}

async function toTheEnd<T>(
  ctx: Context,
  feed: Feed<T>,
  each: (state: T | undefined) => Promise<void> | void,
  timeoutS: number,
  signal: AbortSignal,
): Promise<number> {
  const until = ctx.clock.now().getTime() + timeoutS * 1000;
  const onOutage = (): void => ctx.say("The server does not answer now; asking again");
  for await (const state of follow(ctx, feed, { signal, until, onOutage })) {
    await each(state);
    if (ctx.io.stdout.ended) return EXIT.ok;
    if (ctx.clock.now().getTime() >= until) throw stillPending(timeoutS);
  }
  return EXIT.ok;
}

const stillPending = (timeoutS: number): CliError =>
  new CliError("still_pending", EXIT.pending, `Stopped watching after ${exactDuration(timeoutS)}`, {
    hint: "`--timeout` says how long.",
  });

type Writer = (output: Output) => Promise<void>;

/** On a terminal one picture that changes, for scripts a JSON document on a line of its own, into a pipe a block for each change. */
function writerFor(ctx: Context): Writer {
  const { stdout } = ctx.io;
  const { json, fields } = ctx.global;
  if (json) return whenChanged(fields, (output) => printLine(ctx, pick(output.json, fields)));
  if (stdout.isTTY && ctx.env.TERM !== "dumb") {
    const screen = createScreen(stdout);
    return async (output) => screen.draw((await render(ctx, output)) || `${output.empty ?? ""}\n`);
  }
  let last: string | undefined;
  return whenChanged(undefined, async (output) => {
    const block = await render(ctx, output);
    if (block !== last) stdout.write(last === undefined ? block : `\n${block}`);
    last = block;
  });
}

/** What has only grown older is no change. */
function whenChanged(
  fields: readonly string[] | undefined,
  write: (output: Output) => Promise<void> | void,
): Writer {
  let last = "";
  return async (output) => {
    const state = JSON.stringify(pick(output.watched ?? output.json, fields));
    if (state === last) return;
    last = state;
    await write(output);
  };
}
