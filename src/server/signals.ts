/** The signals that end the server. */

/** A terminal that was closed is an end like any other: the pods live on, and the next start finds them. */
const ENDS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** One Ctrl-C comes twice, from the terminal and again from npx; only a later one means something. */
const SAME_MS = 1000;

export interface Signals {
  /** Resolves at the first one. */
  readonly first: Promise<void>;
  /** What a later one does; undefined ends the process at once. */
  onLater: (() => void) | undefined;
  release(): void;
}

/** Watches for them until `release`. */
export function watchSignals(): Signals {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  let last: number | undefined;
  const signals: Signals = {
    first,
    onLater: undefined,
    release() {
      for (const signal of ENDS) process.off(signal, onSignal);
    },
  };
  const onSignal = () => {
    const now = performance.now();
    if (last !== undefined && now - last <= SAME_MS) return;
    if (last !== undefined) later(signals);
    last = now;
    resolve();
  };
  for (const signal of ENDS) process.on(signal, onSignal);
  return signals;
}

function later(signals: Signals): void {
  const { onLater } = signals;
  if (!onLater) process.exit(1);
  signals.onLater = undefined;
  onLater();
}
