/** What is compared now and then: the nodes with what is known of them, and the pods that are there with those that should be. */
import { Recent } from "../api/recent.ts";
import { record } from "./audit/record.ts";
import { forgetOldAudit } from "./audit/retention.ts";
import { SYSTEM } from "./change.ts";
import type { Conditions } from "./conditions.ts";
import type { Core } from "./core.ts";
import { createDiskSweep } from "./disks/sweep.ts";
import { countFinding } from "./findings.ts";
import { syncCapacity } from "./gpus/inventory.ts";
import { forgetOldAnswers } from "./idempotency.ts";
import { createImageSweep } from "./images/sweep.ts";
import { forgetOldTokens } from "./people/token-retention.ts";
import { strayPods } from "./pods/compare.ts";
import { bounded } from "./pods/pod.ts";

const SWEEP_MS = 60_000;
/** A pod of a reservation that nobody knows is taken away when it was seen so for this long; one that was given up, at once. */
const ORPHAN_GRACE_MS = 60_000;
/** Of what is left alone, so many are known not to be reported again. */
const MAX_REPORTED = 1000;

/** A sweep to do now, if it is time for one and none is going on. It never rejects. */
type Sweep = (now: Date) => (() => Promise<void>) | undefined;

/** By name, each at its own pace: what hangs in one keeps none of the others. */
export function createSweeps(core: Core, conditions: Conditions): ReadonlyMap<string, Sweep> {
  const orphans = createOrphanWatch(core, conditions);
  const disks = createDiskSweep(core, conditions);
  const images = createImageSweep(core, conditions);
  const sweep = async (now: Date): Promise<void> => {
    // First what a lost node still has: once it is known to be back, its GPUs are given to others.
    await conditions.watch("orphans", "the driver's pods could not be listed", () => orphans(now));
    await conditions.watch("capacity", "the driver's capacity could not be read", () => syncCapacity(core));
    await conditions.watch("answers", "old answers could not be deleted", () =>
      core.store.write(forgetOldAnswers),
    );
    await conditions.watch("audit", "old entries of the audit trail could not be deleted", () =>
      forgetOldAudit(core),
    );
    await conditions.watch("tokens", "old tokens could not be deleted", () => forgetOldTokens(core));
  };
  return new Map([
    ["sweep", everyMinute(sweep)],
    ["disk sweep", everyMinute(disks)],
    ["image sweep", everyMinute(images)],
  ]);
}

function everyMinute(sweep: (now: Date) => Promise<void>): Sweep {
  let last = Number.NEGATIVE_INFINITY;
  let sweeping = false;
  return (now) => {
    if (sweeping || now.getTime() - last < SWEEP_MS) return undefined;
    last = now.getTime();
    return async () => {
      sweeping = true;
      await sweep(now);
      sweeping = false;
    };
  };
}

/** Pods of ours that no live reservation names (L-12). What has an unexpected name is reported and left alone (L-13). */
function createOrphanWatch(core: Core, conditions: Conditions) {
  const firstSeen = new Map<string, number>();
  const reported = new Recent(MAX_REPORTED);
  return async (now: Date): Promise<void> => {
    const { orphans, givenUp, misnamed } = await strayPods(core);
    for (const pod of firstSeen.keys()) if (!orphans.includes(pod)) firstSeen.delete(pod);
    for (const pod of misnamed) await report(core, reported, pod);
    for (const pod of orphans) if (givenUp.includes(pod) || isOld(pod, now)) await removeOrphan(pod);
  };

  function isOld(pod: string, now: Date): boolean {
    const since = firstSeen.get(pod) ?? now.getTime();
    firstSeen.set(pod, since);
    return now.getTime() - since >= ORPHAN_GRACE_MS;
  }

  async function removeOrphan(pod: string): Promise<void> {
    await conditions.watch(`orphan ${pod}`, "an orphan could not be taken away", async () => {
      await bounded("terminate", core.driver.terminate(pod));
      firstSeen.delete(pod);
      await core.store.write(async (tx) => {
        await countFinding(tx, "orphan_pod");
        await record(tx, SYSTEM, "pod.remove", pod, "it belongs to no live reservation");
      });
      core.log("warn", { pod }, "took away a pod that belongs to no live reservation");
    });
  }
}

async function report(core: Core, reported: Recent, pod: string): Promise<void> {
  if (reported.has(pod)) return;
  await core.store.write((tx) => countFinding(tx, "unknown_pod"));
  reported.set(pod, true);
  core.log("warn", { pod }, "a pod has an unexpected name; it is left alone");
}
