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
export async function whileNeeded<T>({ signal }: Preparing, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return Promise.race([work, promise]);
}
