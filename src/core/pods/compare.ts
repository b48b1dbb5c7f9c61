/** The pods that there are, beside those that should be (L-12, L-13). */
import type { UnaskedHost } from "../../drivers/driver.ts";
import { attemptsOf, livePods } from "../../store/reservations.ts";
import type { Core } from "../core.ts";
import { attemptOfPod, bounded, ownerOfPod } from "./pod.ts";

export interface StrayPods {
  /** Everything that the driver lists, and the hosts of which it lists nothing. */
  readonly pods: readonly string[];
  readonly unasked: readonly UnaskedHost[];
  /** Of no live reservation. */
  readonly orphans: readonly string[];
  /** Those of them whose reservation has gone on without them, or is over. */
  readonly givenUp: readonly string[];
  /** With a name that we never gave. */
  readonly misnamed: readonly string[];
}

/** First the pods, then the rows: a pod is asked for only after its row was written. Throws what the driver does, DriverError after `ms`. */
export async function strayPods(core: Core, ms?: number): Promise<StrayPods> {
  const list = () => bounded("list", core.driver.list(), ms);
  const { pods, unasked } = await list();
  const owners = new Map(pods.map((pod) => [pod, ownerOfPod(pod)]));
  const ids = [...owners.values()].filter((id) => id !== undefined);
  const { live, attempts } = await core.store.read(async (db) => ({
    live: await livePods(db, ids),
    attempts: await attemptsOf(db, ids),
  }));
  const lost = pods.filter((pod) => owners.get(pod) !== undefined && !live.has(pod));
  // One whose reservation came to its end meanwhile is gone by now.
  const again = lost.length === 0 ? { pods: [], unasked: [] } : await list();
  const still = new Set(again.pods);
  const orphans = lost.filter((pod) => still.has(pod));
  const lastOf = (pod: string): number => attempts.get(owners.get(pod) ?? "") ?? 0;
  return {
    pods,
    unasked: [...unasked, ...again.unasked],
    orphans,
    givenUp: orphans.filter((pod) => attemptOfPod(pod) <= lastOf(pod)),
    misnamed: pods.filter((pod) => owners.get(pod) === undefined),
  };
}
