/** What the making of a pod tells meanwhile. */
export interface Preparing {
  /** What is being done now, and how far it is; in the place of what was said before. */
  say(reason: string): void;
  /** A line for the pod's log. */
  note(line: string): void;
  /** The pod is to end: nobody needs the rest. */
  readonly signal: AbortSignal;
}
