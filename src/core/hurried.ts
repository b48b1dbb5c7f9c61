/**
 * Reservations whose pod is said to have changed: their next step is due at once. One that somebody works on meanwhile is due again
 * afterwards, because its pod may have been looked at before.
 */
import type { Driver } from "../drivers/driver.ts";
import type { Tx } from "../store/db.ts";
import { makeDue } from "../store/leases.ts";
import { ownerOfPod } from "./pods/pod.ts";

/** In one statement. */
const BATCH = 200;

export class Hurried {
  readonly #ids = new Set<string>();
  readonly #unwatch: (() => void) | undefined;

  /** `wake` is called for each pod that the driver tells of, until `stop`. */
  constructor(driver: Driver, wake: () => void) {
    this.#unwatch = driver.watch?.((pod) => {
      const id = ownerOfPod(pod);
      if (id === undefined) return;
      this.#ids.add(id);
      wake();
    });
  }

  stop(): void {
    this.#unwatch?.();
  }

  /** Makes them due; what it gives is called when the transaction is committed. */
  async makeDue(tx: Tx): Promise<() => void> {
    const ids = [...this.#ids].slice(0, BATCH);
    if (ids.length === 0) return () => undefined;
    const busy = new Set(await makeDue(tx, ids));
    return () => {
      for (const id of ids) if (!busy.has(id)) this.#ids.delete(id);
    };
  }
}
