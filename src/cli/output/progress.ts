/** What a wait shows on stderr: one moving line on a terminal (ora), else a plain line for each new phase. */
import type { Context } from "../context.ts";
import { plain } from "./text.ts";

export interface Progress {
  /** Shows what is going on; without a terminal, only when `phase` is another than before (C-14). */
  update(phase: string, words: string): void;
  /** Something in between, which is no new phase. */
  interrupt(words: string): void;
  stop(): void;
}

/** Starts a progress display. No animation without a terminal, on a dumb one, or with `--json` (C-20). */
export async function startProgress(ctx: Context): Promise<Progress> {
  const animated = ctx.io.stderr.isTTY && ctx.env.TERM !== "dumb" && !ctx.global.json;
  return animated ? await spinner(ctx) : lines(ctx);
}

async function spinner(ctx: Context): Promise<Progress> {
  const { default: ora } = await import("ora");
  // stdin is left alone, so that Ctrl-C stays a signal.
  const shown = ora({
    stream: process.stderr,
    discardStdin: false,
    color: ctx.colour.stderr ? "cyan" : false,
  });
  return {
    update(_phase, words) {
      shown.text = plain(words);
      shown.start();
    },
    interrupt(words) {
      shown.text = plain(words);
    },
    stop: () => void shown.stop(),
  };
}

function lines(ctx: Context): Progress {
  let last = "";
  return {
    update(phase, words) {
      if (phase !== last) ctx.say(words);
      last = phase;
    },
    interrupt: (words) => ctx.say(words),
    stop: () => undefined,
  };
}
