/** GPUs that only exist for demonstrations and tests, and are marked so everywhere. */
import { Problem } from "../../api/errors.ts";

const MAX_GPUS = 1024;
const MAX_NODES = 64;

export interface Simulated {
  readonly gpuType: string;
  /** GPUs on each node. */
  readonly count: number;
  /** So many nodes, `<host>-1` and so on, that do not exist either; default: on this machine itself. */
  readonly nodes?: number;
}

/** Throws Problem when one of these types cannot be simulated beside the `real` ones. */
export function checkSimulated(simulate: readonly Simulated[], real: readonly string[]): void {
  const taken = new Set([...real, "cpu"]);
  for (const { gpuType, count, nodes = 1 } of simulate) {
    if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(gpuType))
      throw invalid(gpuType, "is not a GPU type; use a-z, 0-9 and inner -, as in h100");
    if (!Number.isInteger(count) || count < 1 || count > MAX_GPUS)
      throw invalid(gpuType, `needs a count from 1 to ${MAX_GPUS}`);
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES)
      throw invalid(gpuType, `can be on 1 to ${MAX_NODES} nodes`);
    if (taken.has(gpuType)) throw invalid(gpuType, "is given twice or is a real type of this machine");
    taken.add(gpuType);
  }
}

const invalid = (gpuType: string, detail: string): Problem =>
  new Problem("invalid_input", `the simulated type ${JSON.stringify(gpuType)} ${detail}`);

/** The names of the nodes that a simulated type is on. */
export const simulatedNodes = (host: string, { nodes }: Simulated): string[] =>
  nodes === undefined ? [host] : Array.from({ length: nodes }, (_, i) => `${host.slice(0, 60)}-${i + 1}`);
