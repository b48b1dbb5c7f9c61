/** The pods that there are, beside those that should be (L-12, L-13). */
import { livePods } from "../../store/reservations.ts";
import type { Core } from "../core.ts";
import { bounded, ownerOfPod } from "./pod.ts";

export interface StrayPods {
  /** Everything that the driver lists. */
  readonly pods: readonly string[];
  /** Of no live reservation. */
  readonly orphans: readonly string[];
  /** With a name that we never gave. */
  readonly misnamed: readonly string[];
}

/** First the pods, then the rows: a pod is asked for only after its row was written. Throws what the driver does, DriverError after `ms`. */
export async function strayPods(core: Core, ms?: number): Promise<StrayPods> {
  const pods = await bounded("list", core.driver.list(), ms);
  const owners = pods.map(ownerOfPod);
  const live = await core.store.read((db) =>
    livePods(
      db,
      owners.filter((id) => id !== undefined),
    ),
  );
  const misnamed = pods.filter((_, i) => owners[i] === undefined);
  return { pods, misnamed, orphans: pods.filter((pod, i) => owners[i] !== undefined && !live.has(pod)) };
}
