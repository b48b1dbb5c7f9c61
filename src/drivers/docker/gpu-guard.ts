/**
 * That no GPU is two pods' at once, whatever the books of a server say: one that stalled may launch what others have given up, and
 * servers of other deployments keep books of their own. The engine knows who has it.
 */
import { DriverError } from "../driver.ts";
import type { Engine } from "./engine.ts";
import { LABEL } from "./names.ts";
import type { PodPlan } from "./pod.ts";

interface Holder {
  readonly Id: string;
  readonly State: string;
  readonly Labels: Readonly<Record<string, string>>;
}

/** For the made container of a pod, before it starts. Throws DriverError: who has them may be about to end. */
export async function requireFreeGpus(
  engine: Engine,
  { spec, share: { ids } }: Pick<PodPlan, "spec" | "share">,
  container: string,
): Promise<void> {
  if (ids.length === 0) return;
  const query = { all: true, filters: JSON.stringify({ label: [LABEL.gpus] }) };
  const holders = await engine.ask<Holder[]>("GET", "/containers/json", { query });
  const taken = holders.filter((one) => isInTheWay(one, container)).flatMap(gpusOf);
  const busy = ids.find((id) => taken.includes(id));
  if (busy !== undefined) throw new DriverError(`GPU ${busy} of ${spec.node} is still another pod's`);
}

/** Of two that are about to start one goes first. */
const isInTheWay = ({ Id, State }: Holder, own: string): boolean =>
  Id !== own && (["running", "paused"].includes(State) || (State === "created" && Id < own));

const gpusOf = ({ Labels }: Holder): string[] => (Labels[LABEL.gpus] ?? "").split(",");
