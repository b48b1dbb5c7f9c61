/** Deciding again after somebody else was faster. */
import { Problem } from "../api/errors.ts";
import { LostRace } from "./change.ts";

const TRIES = 20;

/** `work`, which reads and decides anew each time that it loses a race. Throws Problem conflict when it always loses. */
export async function decided<T>(work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (cause) {
      if (!(cause instanceof LostRace)) throw cause;
      if (tried < TRIES) continue;
      throw new Problem("conflict", "it was changed by others again and again; try once more", { cause });
    }
  }
}
