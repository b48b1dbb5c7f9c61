/** /v1/identities, and those of a user for administrators */
import * as link from "../../core/logins/link.ts";
import type { Handlers } from "../handler.ts";

export const identities = {
  async listIdentities({ core, caller }) {
    return { body: await link.listIdentities(core, caller.id) };
  },
  async linkIdentity({ core, caller, body }) {
    return { body: await link.linkIdentity(core, caller, body) };
  },
  async unlinkIdentity({ core, caller, params, query }) {
    return { body: await link.unlinkIdentity(core, caller, params.id, query) };
  },
  async listUserIdentities({ core, params }) {
    return { body: await link.listIdentities(core, params.id) };
  },
  async linkUserIdentity({ core, caller, params, body }) {
    return { body: await link.linkUserIdentity(core, caller, params.id, body) };
  },
  async unlinkUserIdentity({ core, caller, params, query }) {
    const { id: userId, identity } = params;
    return { body: await link.unlinkIdentity(core, caller, identity, { userId, ...query }) };
  },
} satisfies Partial<Handlers>;
