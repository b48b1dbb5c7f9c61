/** /v1/gpu-types and /v1/availability */
import { listAvailability, listGpuTypes } from "../../core/inventory.ts";
import type { Handlers } from "../handler.ts";

export const inventory = {
  async listGpuTypes({ core }) {
    return { body: await listGpuTypes(core) };
  },
  async listAvailability({ core }) {
    return { body: await listAvailability(core) };
  },
} satisfies Partial<Handlers>;
