/** /v1/gpu-types, /v1/availability and /v1/nodes */
import { listAvailability, listGpuTypes } from "../../core/gpus/inventory.ts";
import { listNodes, setCordon } from "../../core/gpus/nodes.ts";
import type { Handlers } from "../handler.ts";

export const inventory = {
  async listGpuTypes({ core }) {
    return { body: await listGpuTypes(core) };
  },
  async listAvailability({ core }) {
    return { body: await listAvailability(core) };
  },
  async listNodes({ core, caller }) {
    return { body: await listNodes(core, caller) };
  },
  async cordonNode({ core, caller, params }) {
    return { body: await setCordon(core, caller, params.node, true) };
  },
  async uncordonNode({ core, caller, params }) {
    return { body: await setCordon(core, caller, params.node, false) };
  },
} satisfies Partial<Handlers>;
