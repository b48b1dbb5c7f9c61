/** What a wait shows on stderr, with the time so far: one moving line on a terminal (ora), else a plain line for each new phase. */
import { formatDuration } from "../../api/duration.ts";
import type { Context } from "../context.ts";
import { plain } from "./text.ts";

export interface Progress {
  /** Shows what is going on; without a terminal, only when `phase` is another than before (C-14). */
  update(phase: string, words: string): void;
  /** Something in between, which is no new phase. */
  interrupt(words: string): void;
  stop(): void;
}

/** Starts a progress display. No animation without a terminal, on a dumb one, in CI, with `--json`, or `asLines` (C-20). */
export async function startProgress(ctx: Context, asLines = false): Promise<Progress> {
  const { CI, TERM } = ctx.env;
  const animated = !asLines && ctx.io.stderr.isTTY && TERM !== "dumb" && !CI && !ctx.global.json;
  const startMs = ctx.clock.now().getTime();
  const timed: Timed = (words) => {
    const seconds = Math.floor((ctx.clock.now().getTime() - startMs) / 1000);
    return seconds < 1 ? words : `${words} (${formatDuration(seconds, "down")})`;
  };
  return animated ? await spinner(ctx, timed) : lines(ctx, timed);
}

/** Adds how long it has taken so far. */
type Timed = (words: string) => string;

async function spinner(ctx: Context, timed: Timed): Promise<Progress> {
  const { default: ora } = await import("ora");
  // stdin is left alone, so that Ctrl-C stays a signal.
  const shown = ora({
    stream: process.stderr,
    discardStdin: false,
    color: ctx.colour.stderr ? "magenta" : false,
  });
  return {
    update(_phase, words) {
      shown.text = plain(timed(words));
      shown.start();
    },
    interrupt(words) {
      shown.text = plain(timed(words));
    },
    stop: () => void shown.stop(),
  };
}

function lines(ctx: Context, timed: Timed): Progress {
  let last = "";
  return {
    update(phase, words) {
      if (phase !== last) ctx.say(timed(words));
      last = phase;
    },
    interrupt: (words) => ctx.say(words),
    stop: () => undefined,
  };
}
