/** What the making of a pod tells meanwhile. */
export interface Preparing {
  /** What is being done now, and how far it is; in the place of what was said before. */
  say(reason: string): void;
  /** A line for the pod's log. */
  note(line: string): void;
  /** The pod is to end: nobody needs the rest. */
  readonly signal: AbortSignal;
}

/** What `work` comes to; when the pod is to end first, nobody waits for it any longer, and it goes on without harm. */
export function whileNeeded<T>({ signal }: Pick<Preparing, "signal">, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  // First, so that of two that are over this one counts; also then the race takes what comes of the work, which may be an error.
  return Promise.race([promise, work]);
}
