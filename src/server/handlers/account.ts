/** What belongs to the caller: /v1/me, /v1/keys and /v1/disks */
import { listKeys, registerKey } from "../../core/keys.ts";
import type { Handlers } from "../handler.ts";

export const account = {
  async getMe({ caller: { id, name, role } }) {
    return { body: { id, name, role } };
  },
  async listKeys({ core, caller, query }) {
    return { body: await listKeys(core, caller, query) };
  },
  async createKey({ core, caller, body, idempotency }) {
    return registerKey(core, caller, body, idempotency);
  },
  // No driver of this release has disks, so every caller has none.
  async listDisks() {
    return { body: { items: [], next_cursor: null } };
  },
} satisfies Partial<Handlers>;
