/** Parts that were opened, closed in the opposite order; one that hangs or fails does not keep the others open (L-17). */
import type { Logger } from "pino";

interface Part {
  readonly name: string;
  readonly close: () => Promise<unknown> | unknown;
  readonly patienceMs: number;
}

/** What is open, in the order of opening. */
export class Shutdown {
  readonly #parts: Part[] = [];

  /** Registers a part that is open now; `patienceMs` is how long its closing may take. */
  add(name: string, patienceMs: number, close: Part["close"]): void {
    this.#parts.push({ name, patienceMs, close });
  }

  /** Closes all that was added, the last first. Never throws: what goes wrong is logged. */
  async run(logger: Logger): Promise<void> {
    for (let part = this.#parts.pop(); part; part = this.#parts.pop()) await closePart(part, logger);
  }
}

async function closePart(part: Part, logger: Logger): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`not closed within ${part.patienceMs} ms`)),
    part.patienceMs,
  );
  try {
    await Promise.race([part.close(), late]);
  } catch (err) {
    logger.warn({ part: part.name, err }, "closing failed; going on");
  } finally {
    clearTimeout(timer);
  }
}
