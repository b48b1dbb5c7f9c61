/** /v1/gpu-types, /v1/availability and /v1/nodes */
import { foreseeLosses, forgetNode } from "../../core/gpus/forget.ts";
import { listAvailability, listGpuTypes } from "../../core/gpus/inventory.ts";
import { listHolders, listNodes, setCordon } from "../../core/gpus/nodes.ts";
import type { Handlers } from "../handler.ts";

export const inventory = {
  async listGpuTypes({ core, query }) {
    return { body: await listGpuTypes(core, query) };
  },
  async listAvailability({ core, query }) {
    return { body: await listAvailability(core, query) };
  },
  async listNodes({ core, caller, query }) {
    return { body: await listNodes(core, caller, query) };
  },
  async cordonNode({ core, caller, params }) {
    return { body: await setCordon(core, caller, params.node, true) };
  },
  async listNodeHolders({ core, params, query }) {
    return { body: await listHolders(core, params.node, query) };
  },
  async getNodeLosses({ core, caller, params }) {
    return { body: await foreseeLosses(core, caller, params.node) };
  },
  async forgetNode({ core, caller, params }) {
    return { body: await forgetNode(core, caller, params.node) };
  },
  async uncordonNode({ core, caller, params }) {
    return { body: await setCordon(core, caller, params.node, false) };
  },
} satisfies Partial<Handlers>;
