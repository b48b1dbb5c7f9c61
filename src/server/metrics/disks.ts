/** Disks, as the database knows them. */
import { DISK_STATES, OPERATION_KINDS } from "../../api/disks.ts";
import type { Totals } from "../../core/totals.ts";
import { type Families, setTotal } from "./families.ts";

const OPEN = ["queued", "running"] as const;
const ENDED = ["done", "failed"] as const;

/** Declares them; the answer takes what was counted. */
export function diskFamilies(families: Families): (totals: Totals["disks"]) => void {
  const disks = families.gauge("gpu_dev_disks", "Disks by state", { state: DISK_STATES });
  const bytes = families.gauge(
    "gpu_dev_disk_bytes",
    "What disks may take (size), what is on them (used) and what their snapshots take, as counted last",
    { kind: ["size", "used", "snapshots"] },
  );
  const open = families.gauge("gpu_dev_disk_operations", "Operations on disks that are not over, by state", {
    state: OPEN,
  });
  const ended = families.counter(
    "gpu_dev_disk_operations_ended_total",
    "Operations on disks that are over, by kind and how they ended",
    { kind: OPERATION_KINDS, outcome: ENDED },
  );
  return ({ byState, snapshotBytes, operations }) => {
    const counts = [...byState.values()];
    const sum = (of: "sizeBytes" | "usedBytes") => counts.reduce((total, one) => total + one[of], 0);
    for (const state of DISK_STATES) disks.set({ state }, byState.get(state)?.disks ?? 0);
    bytes.set({ kind: "size" }, sum("sizeBytes"));
    bytes.set({ kind: "used" }, sum("usedBytes"));
    bytes.set({ kind: "snapshots" }, snapshotBytes);
    const total = (state: string, kind?: string) =>
      operations
        .filter((one) => one.state === state && (kind === undefined || one.kind === kind))
        .reduce((sum, one) => sum + one.operations, 0);
    for (const state of OPEN) open.set({ state }, total(state));
    setTotal(
      ended,
      OPERATION_KINDS.flatMap((kind) =>
        ENDED.map((outcome) => [{ kind, outcome }, total(outcome, kind)] as const),
      ),
    );
  };
}
