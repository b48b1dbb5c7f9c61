/** /v1/deployment */
import { MIN_CLI } from "../../api/versions.ts";
import { imagesOf } from "../../core/images/rules.ts";
import type { Handlers } from "../handler.ts";

/** Handlers that tell what this server is: the deployment's `id` and the software's `version`. */
export const createDeploymentHandlers = ({ id, version }: { id: string; version: string }) =>
  ({
    async getDeployment({ core }) {
      return {
        body: { id, version, min_cli: MIN_CLI, domain: core.settings.domain, images: imagesOf(core) },
      };
    },
  }) satisfies Partial<Handlers>;
