/** Which counts of GPUs can be given: up to a node's maximum, or whole nodes, several at once (S-09). */
import { Problem } from "../../api/errors.ts";
import type { GpuType } from "../../api/inventory.ts";

export interface Shape {
  /** Places on each node: GPUs, or 1 for a type without GPUs. */
  readonly places: number;
  readonly node_count: number;
}

type Countable = Pick<GpuType, "name" | "gpus_per_slot" | "max_gpus_per_node" | "full_nodes">;

/** How `count` GPUs are given. Throws Problem impossible_request with the counts that can be given. */
export function shapeOf(type: Countable, count: number, multiNode = false): Shape {
  const most = type.max_gpus_per_node;
  if (type.gpus_per_slot === 0) {
    if (count === 0) return { places: 1, node_count: 1 };
    throw impossible(count, `${type.name} has no GPUs, so that the count can only be 0`);
  }
  if (count >= 1 && count <= most) return { places: count, node_count: 1 };
  const nodes = count / most;
  const whole = count > 0 && Number.isInteger(nodes) && nodes <= type.full_nodes;
  if (whole && multiNode) return { places: most, node_count: nodes };
  throw impossible(
    count,
    possibleCounts(type, multiNode),
    whole ? "ask for several nodes: --multi-node" : undefined,
  );
}

function possibleCounts(type: Countable, multiNode: boolean): string {
  const { name, max_gpus_per_node: most, full_nodes: nodes } = type;
  const one = most === 1 ? `${name} is given one at a time` : `${name} is given 1 to ${most} at a time`;
  if (nodes < 2) return one;
  const how = multiNode ? "on several nodes" : "with multi_node";
  return `${one}, and ${how} ${multiples(most, nodes)}`;
}

/** "16, 24 or 32"; many are shortened to "16, 24, … or 8000". */
function multiples(most: number, nodes: number): string {
  const last = most * nodes;
  if (nodes === 2) return String(last);
  if (nodes === 3) return `${2 * most} or ${last}`;
  return `${2 * most}, ${3 * most}${nodes > 4 ? ", …" : ""} or ${last}`;
}

function impossible(count: number, possible: string, hint?: string): Problem {
  return new Problem("impossible_request", `gpu_count ${count} is not possible: ${possible}`, {
    errors: [{ field: "gpu_count", code: "impossible", detail: possible }],
    hint,
  });
}
