/** What belongs to the caller: /v1/me and /v1/keys */
import { listKeys, registerKey, removeKey } from "../../core/people/keys.ts";
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
  async deleteKey({ core, caller, params }) {
    return { body: await removeKey(core, caller, params.id) };
  },
} satisfies Partial<Handlers>;
