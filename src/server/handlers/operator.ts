/** What administrators ask of the deployment: /v1/check and /v1/audit */
import { listAudit } from "../../core/audit/list.ts";
import { checkDeployment } from "../../core/check.ts";
import type { Handlers } from "../handler.ts";

export const operator = {
  async checkDeployment({ core, caller }) {
    return { body: await checkDeployment(core, caller) };
  },
  async listAudit({ core, query }) {
    return { body: await listAudit(core, query) };
  },
} satisfies Partial<Handlers>;
