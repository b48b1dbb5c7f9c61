/** What administrators ask of the deployment: /v1/check */
import { checkDeployment } from "../../core/check.ts";
import type { Handlers } from "../handler.ts";

export const operator = {
  async checkDeployment({ core, caller }) {
    return { body: await checkDeployment(core, caller) };
  },
} satisfies Partial<Handlers>;
