/** What the reconciler finds and nobody had asked for; counted in the database, so that the totals go on (O-02, O-06). */
import type { Tx } from "../store/db.ts";
import { addTally } from "../store/tallies.ts";

export const FINDINGS = [
  /** A pod that no live reservation names: taken away. */
  "orphan_pod",
  /** A pod with a name that is not one of ours: left alone. */
  "unknown_pod",
  /** The pod of an active reservation died, or is gone. */
  "lost_pod",
  /** A node was lost before the pod on it was ready. */
  "lost_node",
  /** A disk or snapshot that no row names: put in quarantine. */
  "stray_disk",
  /** What a crash left half made: discarded. */
  "half_made_disk",
  /** A row names data that are not there. */
  "missing_disk",
] as const;
export type Finding = (typeof FINDINGS)[number];

export const countFinding = (tx: Tx, finding: Finding): Promise<void> => addTally(tx, "finding", finding);
