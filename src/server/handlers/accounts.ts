/** /v1/tokens and /v1/users */
import { getToken, listTokens, revokeToken } from "../../core/people/token-list.ts";
import { createToken, rotateToken } from "../../core/people/tokens.ts";
import { changeUser, createUserWithToken, getUser, listUsers } from "../../core/people/users.ts";
import type { Handlers } from "../handler.ts";

export const accounts = {
  async listTokens({ core, caller, query }) {
    return { body: await listTokens(core, caller, query) };
  },
  async createToken({ core, caller, body, idempotency }) {
    return createToken(core, caller, body, idempotency);
  },
  async getToken({ core, caller, params }) {
    return { body: await getToken(core, caller, params.id) };
  },
  async revokeToken({ core, caller, params, query }) {
    return { body: await revokeToken(core, caller, params.id, query.made) };
  },
  async rotateToken({ core, caller, params, idempotency }) {
    return rotateToken(core, caller, params.id, idempotency);
  },
  async listUserTokens({ core, caller, params, query }) {
    return { body: await listTokens(core, caller, query, params.id) };
  },
  async createUserToken({ core, caller, params, body, idempotency }) {
    return createToken(core, caller, body, idempotency, params.id);
  },
  async listUsers({ core, query }) {
    return { body: await listUsers(core, query) };
  },
  async createUser({ core, caller, body, idempotency }) {
    return createUserWithToken(core, caller, body, idempotency);
  },
  async getUser({ core, params }) {
    return { body: await getUser(core, params.id) };
  },
  async patchUser({ core, caller, params, body }) {
    return { body: await changeUser(core, caller, params.id, body) };
  },
} satisfies Partial<Handlers>;
