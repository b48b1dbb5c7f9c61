/**
 * The table of routes: names, methods, paths and the errors of each. No schemas here (contract.ts adds them), so
 * that the command line's start path does not load zod.
 */
import { diskRoutes } from "./disk-routes.ts";
import type { ErrorCode } from "./errors.ts";
import { identityRoutes } from "./identity-routes.ts";
import { imageRoutes } from "./image-routes.ts";
import { loginRoutes } from "./login-routes.ts";
import { nodeRoutes } from "./node-routes.ts";
import { quotaRoutes } from "./quota-routes.ts";
import { tokenRoutes } from "./token-routes.ts";
import { userRoutes } from "./user-routes.ts";

export interface Route {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Parameters are written `{id}`. */
  readonly path: string;
  /** Everything but health and logging in needs a token. */
  readonly public?: true;
  /** The token of a pod, or of one reservation, is good for these, on its own reservation; all others answer it with not_allowed. */
  readonly pods?: true;
  /** For administrators; all others are answered with not_allowed. */
  readonly admin?: true;
  /** Its body is no JSON but bytes of this type. */
  readonly bytes?: string;
  readonly status: 200 | 201 | 202;
  readonly summary: string;
  /** It answers with something that has a version, which the ETag names; a change of it takes If-Match. */
  readonly versioned?: true;
  /** Beside those that every route can answer (COMMON_ERRORS). */
  readonly errors: readonly ErrorCode[];
  /** What it sends as server-sent events to a client that accepts `text/event-stream`: by event, what its data is. */
  readonly stream?: Readonly<Record<string, string>>;
}

const PROBLEM_EVENT = "a problem document: why the server ends the stream; come back if it is `retryable`";

export const COMMON_ERRORS = [
  "invalid_input",
  "cli_too_old",
  "not_logged_in",
  "not_allowed",
  "not_acceptable",
  "rate_limited",
  "request_timeout",
  "uri_too_long",
  "headers_too_large",
  "internal",
  "unavailable",
  "draining",
] as const;

/** What every route that takes a body can answer beside those. */
export const BODY_ERRORS = ["malformed_json", "body_too_large", "unsupported_media_type"] as const;

/** What a reservation that asks for a disk can be answered. */
const DISK_ERRORS = ["not_found", "disk_in_use", "disk_busy", "disk_deleted", "disk_lost"] as const;

/** A POST that makes something takes an Idempotency-Key. */
export const creates = ({ method, status }: Route): boolean => method === "POST" && status !== 200;

/** A change of what is there, which can be asked for only at some version of it. */
export const takesIfMatch = (route: Route): boolean =>
  route.versioned === true && route.method !== "GET" && !creates(route);

export const routes = {
  listReservations: {
    method: "GET",
    path: "/v1/reservations",
    status: 200,
    summary: "List the caller's reservations, newest first unless asked otherwise",
    errors: ["too_many_streams"],
    stream: {
      list: "the page as it is now; sent at first and after each change",
      problem: PROBLEM_EVENT,
    },
  },
  createReservation: {
    method: "POST",
    path: "/v1/reservations",
    versioned: true,
    status: 201,
    summary: "Reserve GPUs",
    errors: [
      "no_ssh_key",
      "impossible_request",
      "name_taken",
      "no_capacity",
      "over_quota",
      "taken_then",
      "not_ready",
      ...DISK_ERRORS,
      "idempotency_mismatch",
    ],
  },
  planReservation: {
    method: "POST",
    path: "/v1/reservations/plan",
    status: 200,
    summary: "What a request to reserve would come to; creates nothing",
    errors: [
      "no_ssh_key",
      "impossible_request",
      "not_allowed",
      "name_taken",
      "no_capacity",
      "over_quota",
      "taken_then",
      "not_ready",
      ...DISK_ERRORS,
    ],
  },
  getReservation: {
    method: "GET",
    path: "/v1/reservations/{id}",
    pods: true,
    versioned: true,
    status: 200,
    summary: "Show a reservation",
    errors: ["not_found"],
  },
  patchReservation: {
    method: "PATCH",
    path: "/v1/reservations/{id}",
    versioned: true,
    status: 200,
    summary: "Extend, rename or share a reservation",
    errors: [
      "not_found",
      "name_taken",
      "not_active",
      "over_maximum",
      "over_promise",
      "over_quota",
      "conflict",
      "precondition_failed",
    ],
  },
  liftReservation: {
    method: "POST",
    path: "/v1/reservations/{id}/lift",
    admin: true,
    status: 200,
    summary: "For administrators: give a reservation a later end, beyond the maximum of its type",
    errors: ["not_found", "not_active", "over_promise", "over_maximum", "conflict"],
  },
  cancelReservation: {
    method: "POST",
    path: "/v1/reservations/{id}/cancel",
    pods: true,
    versioned: true,
    status: 200,
    summary: "End a reservation; doing it again answers the same",
    errors: ["not_found", "not_active", "precondition_failed"],
  },
  listAdvice: {
    method: "GET",
    path: "/v1/reservations/{id}/advice",
    status: 200,
    summary: "What a queued reservation could change to start sooner, the soonest first",
    errors: ["not_found"],
  },
  getDiagnostics: {
    method: "GET",
    path: "/v1/reservations/{id}/diagnostics",
    pods: true,
    status: 200,
    summary: "What is the matter with a reservation: phase, last ssh login, the driver's view, the next step",
    errors: ["not_found"],
  },
  listEvents: {
    method: "GET",
    path: "/v1/reservations/{id}/events",
    pods: true,
    status: 200,
    summary: "The history of a reservation, oldest first",
    errors: ["not_found", "too_many_streams"],
    stream: {
      entry:
        "an entry of the history, as in the list; its version is the event's id, by which a client resumes",
      reservation:
        "the reservation as it is now; sent at first and after each change, also of what is no entry",
      end: "the last version and the final state; nothing will follow",
      problem: PROBLEM_EVENT,
    },
  },
  listLogs: {
    method: "GET",
    path: "/v1/reservations/{id}/logs",
    status: 200,
    summary: "What is said of a reservation: its history and its pod's lines, oldest first",
    errors: ["not_found", "too_many_streams"],
    stream: {
      lines: "a page as the answer has it: what there is, then what comes; its position is the event's id",
      end: "the final state; nothing will follow",
      problem: PROBLEM_EVENT,
    },
  },
  getUsage: {
    method: "GET",
    path: "/v1/reservations/{id}/usage",
    pods: true,
    status: 200,
    summary: "What the pods of an active reservation use: CPU, memory, GPUs, network, the home's file system",
    errors: ["not_found", "not_active"],
  },
  listGpuTypes: { method: "GET", path: "/v1/gpu-types", status: 200, summary: "The GPU types", errors: [] },
  listAvailability: {
    method: "GET",
    path: "/v1/availability",
    status: 200,
    summary: "What is free, used, unavailable and queued, by GPU type",
    errors: [],
  },
  ...nodeRoutes,
  checkDeployment: {
    method: "GET",
    path: "/v1/check",
    admin: true,
    status: 200,
    summary: "For administrators: what the database and the drivers say differently; changes nothing",
    errors: [],
  },
  ...diskRoutes,
  ...quotaRoutes,
  ...imageRoutes,
  listKeys: {
    method: "GET",
    path: "/v1/keys",
    status: 200,
    summary: "The caller's ssh public keys",
    errors: [],
  },
  createKey: {
    method: "POST",
    path: "/v1/keys",
    status: 201,
    summary: "Register an ssh public key; one that is known is answered as it is",
    errors: ["idempotency_mismatch"],
  },
  deleteKey: {
    method: "DELETE",
    path: "/v1/keys/{id}",
    status: 200,
    summary: "Forget an ssh public key; it opens no pod any more, and sessions that are open stay so",
    errors: ["not_found"],
  },
  ...tokenRoutes,
  ...identityRoutes,
  ...userRoutes,
  getMe: { method: "GET", path: "/v1/me", status: 200, summary: "Who the token belongs to", errors: [] },
  getDeployment: {
    method: "GET",
    path: "/v1/deployment",
    status: 200,
    summary: "The server's version, domain and limits",
    errors: [],
  },
  ...loginRoutes,
  getHealth: { method: "GET", path: "/healthz", public: true, status: 200, summary: "Alive", errors: [] },
  getReady: {
    method: "GET",
    path: "/readyz",
    public: true,
    status: 200,
    summary: "Ready to serve, with the failing part named",
    errors: ["unavailable"],
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
