/** For tests in which somebody waits for an answer that never comes. */
import { vi } from "vitest";

/** From now on what waits for exactly `ms` waits for a tenth of it, until the result is called; whoever answers should be asked before or after that. */
export function hurried(ms: number): () => void {
  const real = globalThis.setTimeout;
  const hurry = (act: () => void, delay?: number, ...given: []) =>
    real(act, delay === ms ? ms / 10 : delay, ...given);
  const spy = vi.spyOn(globalThis, "setTimeout").mockImplementation(hurry as typeof setTimeout);
  return () => void spy.mockRestore();
}
