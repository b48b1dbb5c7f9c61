/** Waiting for something that is followed, within a bound (C-16), with its progress on stderr. */
import type { Context } from "../context.ts";
import { type Progress, startProgress } from "../output/progress.ts";
import type { Feed } from "./feed.ts";
import { follow } from "./follow.ts";

export interface WaitOptions {
  readonly timeoutS: number;
  readonly signal: AbortSignal;
  /** Something else writes to the terminal meanwhile: a line for each phase. */
  readonly lines?: boolean;
}

/** What is waited for, and how it is told meanwhile. */
export interface Wait<T> {
  readonly feed: Feed<T>;
  /** May throw, when it never will be. */
  isSettled(state: T): boolean;
  /** What is news: not an estimate that moves by a minute. */
  phaseOf(state: T): string;
  wordsOf(state: T): string;
  /** What is thrown at the bound. */
  stillPending(state: T): Error;
}

/** Resolves with the first state that is settled. Throws what `wait` does, and the signal's reason. */
export async function settle<T>(ctx: Context, first: T, wait: Wait<T>, options: WaitOptions): Promise<T> {
  const progress = await startProgress(ctx, options.lines);
  try {
    return await settled(ctx, first, wait, options, progress);
  } finally {
    progress.stop();
  }
}

async function settled<T>(
  ctx: Context,
  first: T,
  wait: Wait<T>,
  { timeoutS, signal }: WaitOptions,
  progress: Progress,
): Promise<T> {
  const startMs = ctx.clock.now().getTime();
  const elapsedS = (): number => (ctx.clock.now().getTime() - startMs) / 1000;
  const news = follow(ctx, wait.feed, {
    signal,
    until: startMs + timeoutS * 1000,
    onOutage: () => progress.interrupt("The server does not answer now; asking again"),
  });
  let current = first;
  try {
    for (;;) {
      if (wait.isSettled(current)) return current;
      if (elapsedS() >= timeoutS) throw wait.stillPending(current);
      progress.update(wait.phaseOf(current), wait.wordsOf(current));
      const { value, done } = await news.next();
      if (done) throw new Error(`the server says that nothing follows: ${wait.wordsOf(current)}`);
      current = value ?? current;
    }
  } finally {
    await news.return();
  }
}
