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
  /** What a SIGHUP asks for. */
  onReload: (() => void) | undefined;
  release(): void;
}

/** Watches for them until `release`. */
export function watchSignals(): Signals {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  let last: number | undefined;
  const signals: Signals = {
    first,
    onLater: undefined,
    onReload: undefined,
    release() {
      for (const signal of ENDS) process.off(signal, onSignal);
      process.off("SIGHUP", onHangUp);
    },
  };
  const onSignal = () => {
    const now = performance.now();
    if (last !== undefined && now - last <= SAME_MS) return;
    if (last !== undefined) later(signals);
    last = now;
    resolve();
  };
  // A terminal that was closed is an end like any other: the pods live on, and the next start finds them.
  const hangUp = createHangUp();
  const onHangUp = () => (hangUp() === "ended" ? onSignal() : signals.onReload?.());
  for (const signal of ENDS) process.on(signal, onSignal);
  process.on("SIGHUP", onHangUp);
  return signals;
}

function later(signals: Signals): void {
  const { onLater } = signals;
  if (!onLater) process.exit(1);
  signals.onLater = undefined;
  onLater();
}
