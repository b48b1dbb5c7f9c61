/** The signals that end the server, or have it read its configuration again. */
import { createHangUp } from "./hang-up.ts";

const ENDS = ["SIGINT", "SIGTERM"] as const;
/** One Ctrl-C comes twice, from the terminal and again from npx; only a later one means something. */
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
  readonly now: () => number;
  readonly exit: (code: number) => void;
}

const ours = (): Surroundings => ({
  source: process,
  now: () => performance.now(),
  exit: (code) => process.exit(code),
});

/** Watches for them until `release`. */
export function watchSignals({ source, now, exit } = ours()): Signals {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  let last: number | undefined;
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
    if (last !== undefined && now() - last <= SAME_MS) return;
    if (last !== undefined) later(signals, exit);
    last = now();
    resolve();
  };
  // A terminal that was closed is an end like any other: the pods live on, and the next start finds them.
  const hangUp = createHangUp();
  const onHangUp = () => {
    if (hangUp() === "ended") onSignal();
    // What is about to end has nothing to read again for.
    else if (last === undefined) signals.onReload?.();
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
