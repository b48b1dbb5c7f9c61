/** The routes of images: logins at registries, and builds; a part of the table of routes.ts. */
import type { Route } from "./routes.ts";

export const imageRoutes = {
  listRegistries: {
    method: "GET",
    path: "/v1/registries",
    status: 200,
    summary: "The registries that the caller has a login for",
    errors: [],
  },
  setRegistry: {
    method: "POST",
    path: "/v1/registries",
    status: 200,
    summary: "Store a login for a registry, in place of an earlier one; its password is never shown again",
    errors: ["impossible_request", "over_quota"],
  },
  removeRegistry: {
    method: "DELETE",
    path: "/v1/registries/{host}",
    status: 200,
    summary: "Forget the login for a registry",
    errors: ["not_found"],
  },
  createBuild: {
    method: "POST",
    path: "/v1/builds",
    status: 200,
    summary:
      "Announce a context to build an image from; one that is known is answered with what has come of it",
    errors: ["impossible_request", "over_quota"],
  },
  getBuild: {
    method: "GET",
    path: "/v1/builds/{id}",
    status: 200,
    summary: "Show a build",
    errors: ["not_found"],
  },
  uploadContext: {
    method: "POST",
    path: "/v1/builds/{id}/context",
    status: 200,
    bytes: "application/x-tar",
    summary: "Send a part of the context's tar file, 1 MiB at most; sent again it does no harm",
    errors: ["not_found", "conflict"],
  },
} as const satisfies Record<string, Route>;
