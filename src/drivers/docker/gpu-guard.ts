/**
 * That no GPU is two pods' at once, whatever the books of a server say: one that stalled may launch what others have given up, and
 * servers of other deployments keep books of their own. The engine knows who has it.
 */
import { setTimeout as pause } from "node:timers/promises";
import { DriverError } from "../driver.ts";
import type { Engine } from "./engine.ts";
import { LABEL } from "./names.ts";
import type { PodPlan } from "./pod.ts";

interface Holder {
  readonly Id: string;
  readonly State: string;
  readonly Labels: Readonly<Record<string, string>>;
}

/** What is about to start needs less; what was left by a server that was killed is not waited for. */
const PATIENCE_MS = 3000;
const POLL_MS = 50;

/** For the made container of a pod, before it starts. Throws DriverError: who has them may be about to end. */
export async function requireFreeGpus(
  engine: Engine,
  { spec, share: { ids } }: Pick<PodPlan, "spec" | "share">,
  container: string,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  if (ids.length === 0) return;
  const until = performance.now() + patienceMs;
  for (;;) {
    const others = await holdersOf(engine, ids, container);
    const first = others.find((one) => isFirst(one, container) || performance.now() > until);
    if (first) throw new DriverError(`GPU ${commonOf(first, ids)} of ${spec.node} is still another pod's`);
    if (others.length === 0) return;
    await pause(POLL_MS);
  }
}

/** Who has one of the GPUs, or is about to. */
async function holdersOf(engine: Engine, ids: readonly string[], own: string): Promise<Holder[]> {
  const query = { all: true, filters: JSON.stringify({ label: [LABEL.gpus] }) };
  const holders = await engine.ask<Holder[]>("GET", "/containers/json", { query });
  return holders.filter(
    (one) =>
      one.Id !== own &&
      ["running", "paused", "created"].includes(one.State) &&
      commonOf(one, ids) !== undefined,
  );
}

/**
 * Of two that are made and not started, the one with the higher id gives way at once. The one with the lower id waits: the other may have
 * looked before this one was made, and starts; or it looks now, and goes.
 */
const isFirst = ({ Id, State }: Holder, own: string): boolean => State !== "created" || Id < own;

const commonOf = ({ Labels }: Holder, ids: readonly string[]): string | undefined =>
  (Labels[LABEL.gpus] ?? "").split(",").find((id) => ids.includes(id));
