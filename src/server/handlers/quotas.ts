/** /v1/teams, /v1/quotas and /v1/me/quotas */
import { listOwnQuotas } from "../../core/quotas/own.ts";
import { listQuotas, setQuota } from "../../core/quotas/settings.ts";
import { addMember, createTeam, deleteTeam, listTeams, removeMember } from "../../core/teams.ts";
import type { Handlers } from "../handler.ts";

export const quotas = {
  async listTeams({ core, query }) {
    return { body: await listTeams(core, query) };
  },
  async createTeam({ core, caller, body, idempotency }) {
    return createTeam(core, caller, body.name, idempotency);
  },
  async deleteTeam({ core, caller, params }) {
    return { body: await deleteTeam(core, caller, params.team) };
  },
  async addMember({ core, caller, params, body }) {
    return { body: await addMember(core, caller, params.team, body.user) };
  },
  async removeMember({ core, caller, params }) {
    return { body: await removeMember(core, caller, params.team, params.user) };
  },
  async listQuotas({ core, query }) {
    return { body: await listQuotas(core, query) };
  },
  async setQuota({ core, caller, body }) {
    return { body: await setQuota(core, caller, body) };
  },
  async listOwnQuotas({ core, caller, query }) {
    return { body: await listOwnQuotas(core, caller, query) };
  },
} satisfies Partial<Handlers>;
