/** /v1/disks and /v1/disk-operations */
import { deleteDisk, patchDisk, undeleteDisk, unlockDisk } from "../../core/disks/changes.ts";
import { listContents } from "../../core/disks/contents.ts";
import { getDisk, getOperation, listDisks, listOperations, listSnapshots } from "../../core/disks/listing.ts";
import { cloneDisk, createDisk, createSnapshot, resizeDisk, restoreDisk } from "../../core/disks/requests.ts";
import type { Handlers } from "../handler.ts";

export const disks = {
  async listDisks({ core, caller, query }) {
    return { body: await listDisks(core, caller, query) };
  },
  async createDisk({ core, caller, body, idempotency }) {
    return createDisk(core, caller, body, idempotency);
  },
  async getDisk({ core, caller, params }) {
    return { body: await getDisk(core, caller, params.id) };
  },
  async patchDisk({ core, caller, params, body, at }) {
    return { body: await patchDisk(core, caller, params.id, body, at) };
  },
  async deleteDisk({ core, caller, params, at }) {
    return { body: await deleteDisk(core, caller, params.id, at) };
  },
  async undeleteDisk({ core, caller, params, body }) {
    return { body: await undeleteDisk(core, caller, params.id, body) };
  },
  async resizeDisk({ core, caller, params, body, idempotency }) {
    return resizeDisk(core, caller, params.id, body, idempotency);
  },
  async cloneDisk({ core, caller, params, body, idempotency }) {
    return cloneDisk(core, caller, params.id, body, idempotency);
  },
  async restoreDisk({ core, caller, params, body, idempotency }) {
    return restoreDisk(core, caller, params.id, body, idempotency);
  },
  async unlockDisk({ core, caller, params }) {
    return { body: await unlockDisk(core, caller, params.id) };
  },
  async listSnapshots({ core, caller, params, query }) {
    return { body: await listSnapshots(core, caller, params.id, query) };
  },
  async createSnapshot({ core, caller, params, body, idempotency }) {
    return createSnapshot(core, caller, params.id, body, idempotency);
  },
  async listContents({ core, caller, params, query }) {
    return { body: await listContents(core, caller, params.id, query) };
  },
  async listDiskOperations({ core, caller, params, query }) {
    return { body: await listOperations(core, caller, params.id, query) };
  },
  async getDiskOperation({ core, caller, params }) {
    return { body: await getOperation(core, caller, params.id) };
  },
} satisfies Partial<Handlers>;
