/** The signals that end the server, or have it read its configuration again. */
import { createHangUp } from "./hang-up.ts";

const ENDS = ["SIGINT", "SIGTERM"] as const;
/**
 * One Ctrl-C comes twice, from the terminal and again from npx; only a later one means something. When each one came nobody tells, only when
 * it is handled: while the loop stands still, all that come are the same, and whoever meant more presses it again.
 */
const SAME_MS = 1000;

export interface Signals {
  /** Resolves at the first one. */
  readonly first: Promise<void>;
  /** What a later one does; undefined ends the process at once. */
  onLater: (() => void) | undefined;
  /** What a SIGHUP asks for, until the first signal that ends. */
  onReload: (() => void) | undefined;
  release(): void;
}

/** What a test puts in the place of the process. */
interface Surroundings {
  readonly source: NodeJS.EventEmitter;
  /** Calls it when so much time is over and what came in it was handled. */
  readonly after: (ms: number, act: () => void) => void;
  readonly exit: (code: number) => void;
}

const ours = (): Surroundings => ({
  source: process,
  // A loop that stood still sees to its timers first, then to signals, and then to what is immediate.
  after: (ms, act) => void setTimeout(() => setImmediate(act), ms).unref(),
  exit: (code) => process.exit(code),
});

/** Watches for them until `release`. */
export function watchSignals({ source, after, exit } = ours()): Signals {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  let ending = false;
  let same = false;
  const signals: Signals = {
    first,
    onLater: undefined,
    onReload: undefined,
    release() {
      for (const signal of ENDS) source.off(signal, onSignal);
      source.off("SIGHUP", onHangUp);
    },
  };
  const onSignal = () => {
    if (same) return;
    if (ending) later(signals, exit);
    ending = true;
    same = true;
    after(SAME_MS, () => {
      same = false;
    });
    resolve();
  };
  // A terminal that was closed is an end like any other: the pods live on, and the next start finds them.
  const hangUp = createHangUp();
  const onHangUp = () => {
    if (hangUp() === "ended") onSignal();
    // What is about to end has nothing to read again for.
    else if (!ending) signals.onReload?.();
  };
  for (const signal of ENDS) source.on(signal, onSignal);
  source.on("SIGHUP", onHangUp);
  return signals;
}

function later(signals: Signals, exit: Surroundings["exit"]): void {
  const { onLater } = signals;
  signals.onLater = undefined;
  if (onLater) onLater();
  else exit(1);
}
