/** The routes of nodes, for administrators; a part of the table of routes.ts. */
import type { Route } from "./routes.ts";

export const nodeRoutes = {
  listNodes: {
    method: "GET",
    path: "/v1/nodes",
    admin: true,
    status: 200,
    summary: "The nodes, for administrators",
    errors: [],
  },
  cordonNode: {
    method: "POST",
    path: "/v1/nodes/{node}/cordon",
    admin: true,
    status: 200,
    summary: "Give a node nothing new; doing it again does nothing",
    errors: ["not_found"],
  },
  listNodeHolders: {
    method: "GET",
    path: "/v1/nodes/{node}/reservations",
    admin: true,
    status: 200,
    summary: "Who holds something on a node, and until when",
    errors: ["not_found"],
  },
  uncordonNode: {
    method: "POST",
    path: "/v1/nodes/{node}/uncordon",
    admin: true,
    status: 200,
    summary: "Let a node take part again",
    errors: ["not_found"],
  },
  getNodeLosses: {
    method: "GET",
    path: "/v1/nodes/{node}/losses",
    admin: true,
    status: 200,
    summary: "What forgetting a node that is gone for good would give up; changes nothing",
    errors: ["not_found", "node_answers"],
  },
  forgetNode: {
    method: "DELETE",
    path: "/v1/nodes/{node}",
    admin: true,
    status: 200,
    summary:
      "Give up a node that is gone for good: what ran there ends, its disks are lost; doing it again does nothing",
    errors: ["not_found", "node_answers", "conflict"],
  },
} as const satisfies Record<string, Route>;
