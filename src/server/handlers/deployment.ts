/** /v1/deployment */
import type { Handlers } from "../handler.ts";

/** The oldest command line that this server's contract works with. */
const MIN_CLI = "0.1.0";

/** Handlers that tell what this server is: the deployment's `id` and the software's `version`. */
export const createDeploymentHandlers = ({ id, version }: { id: string; version: string }) =>
  ({
    async getDeployment({ core }) {
      return { body: { id, version, min_cli: MIN_CLI, domain: core.settings.domain } };
    },
  }) satisfies Partial<Handlers>;
