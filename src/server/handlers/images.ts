/** /v1/registries and /v1/builds */
import { announceBuild, getBuild, receiveContext } from "../../core/images/builds.ts";
import {
  listRegistryLogins,
  removeRegistryLogin,
  setRegistryLogin,
} from "../../core/images/registry-logins.ts";
import type { Handlers } from "../handler.ts";

export const images = {
  async listRegistries({ core, caller }) {
    return { body: await listRegistryLogins(core, caller) };
  },
  async setRegistry({ core, caller, body }) {
    return { body: await setRegistryLogin(core, caller, body) };
  },
  async removeRegistry({ core, caller, params }) {
    return { body: await removeRegistryLogin(core, caller, params.host) };
  },
  async createBuild({ core, caller, body }) {
    return { body: await announceBuild(core, caller, body) };
  },
  async getBuild({ core, caller, params }) {
    return { body: await getBuild(core, caller, params.id) };
  },
  async uploadContext({ core, caller, params, query, body }) {
    return { body: await receiveContext(core, caller, params.id, query.offset ?? 0, body) };
  },
} satisfies Partial<Handlers>;
