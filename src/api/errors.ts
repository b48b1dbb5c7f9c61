/**
 * The closed list of error codes: what goes over the wire, what the HTTP status is, whether a client may
 * try again, and with which code the command line exits. Nobody matches on message text.
 * Shape on the wire: RFC 9457 problem documents (`application/problem+json`).
 */

/** Exit codes of the command line (README has the same table). */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  declined: 3,
  auth: 4,
  notFound: 5,
  noCapacity: 6,
  quota: 7,
  pending: 8,
  conflict: 9,
  failed: 10,
  tryLater: 75,
  interrupted: 130,
} as const;

interface ErrorKind {
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
  readonly exit: number;
}

const kind = (status: number, title: string, exit: number, retryable = false): ErrorKind => ({
  status,
  title,
  retryable,
  exit,
});

export const ERRORS = {
  invalid_input: kind(400, "The request is not valid", EXIT.usage),
  malformed_json: kind(400, "The body is not valid JSON", EXIT.usage),
  no_ssh_key: kind(400, "No ssh key is registered", EXIT.usage),
  impossible_request: kind(400, "What was asked for can never be given", EXIT.usage),
  cli_too_old: kind(400, "This gpu-dev is too old for the server", EXIT.error),
  not_logged_in: kind(401, "Not logged in", EXIT.auth),
  not_allowed: kind(403, "Not allowed", EXIT.auth),
  not_found: kind(404, "Not found", EXIT.notFound),
  unknown_route: kind(404, "No such endpoint", EXIT.error),
  method_not_allowed: kind(405, "Method not allowed", EXIT.error),
  not_acceptable: kind(406, "No answer in the media type asked for", EXIT.error),
  name_taken: kind(409, "The name is in use", EXIT.conflict),
  not_active: kind(409, "The reservation is not active", EXIT.conflict),
  not_ready: kind(409, "Not ready yet", EXIT.conflict, true),
  over_maximum: kind(409, "Over the maximum duration", EXIT.conflict),
  over_quota: kind(409, "Over a quota", EXIT.quota),
  over_promise: kind(409, "Would break a promise", EXIT.conflict),
  conflict: kind(409, "Changed by somebody else meanwhile", EXIT.conflict),
  last_administrator: kind(409, "There must be an administrator", EXIT.conflict),
  disk_in_use: kind(409, "A reservation has the disk", EXIT.conflict),
  disk_busy: kind(409, "Something else is done with the disk", EXIT.conflict, true),
  disk_deleted: kind(409, "The disk is deleted", EXIT.conflict),
  disk_lost: kind(409, "The disk was lost with its node", EXIT.conflict),
  node_answers: kind(409, "The node is not gone", EXIT.conflict),
  no_snapshot: kind(409, "There is no snapshot yet", EXIT.conflict),
  stale_attempt: kind(409, "A newer connection took over", EXIT.conflict),
  no_capacity: kind(409, "Nothing is free now", EXIT.noCapacity),
  taken_then: kind(409, "Not free at that time", EXIT.noCapacity),
  login_over: kind(410, "The login is over", EXIT.auth),
  reservation_ended: kind(410, "The reservation ended", EXIT.conflict),
  session_gone: kind(410, "The tunnel's session is gone", EXIT.error),
  request_timeout: kind(408, "The request took too long to arrive", EXIT.tryLater, true),
  precondition_failed: kind(412, "It is not at the version that was named", EXIT.conflict),
  body_too_large: kind(413, "The body is too large", EXIT.usage),
  uri_too_long: kind(414, "The URL is too long", EXIT.usage),
  unsupported_media_type: kind(415, "Unsupported media type", EXIT.error),
  idempotency_mismatch: kind(422, "The idempotency key was used for another request", EXIT.usage),
  headers_too_large: kind(431, "The headers are too large", EXIT.usage),
  rate_limited: kind(429, "Too many requests", EXIT.tryLater, true),
  too_many_logins: kind(429, "Too many logins", EXIT.tryLater, true),
  too_many_tunnels: kind(429, "Too many tunnels", EXIT.tryLater, true),
  too_many_streams: kind(429, "Too many event streams", EXIT.tryLater, true),
  internal: kind(500, "Internal error", EXIT.error),
  pod_unreachable: kind(502, "The pod's ssh server did not answer", EXIT.tryLater, true),
  unavailable: kind(503, "Try again later", EXIT.tryLater, true),
  draining: kind(503, "The server is shutting down", EXIT.tryLater, true),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** One offending field of the input, by its name on the wire. */
export interface FieldError {
  readonly field: string;
  readonly code: string;
  readonly detail: string;
}

/** The problem document, as every error of the API is answered. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly hint?: string | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  readonly request_id?: string | undefined;
  readonly retryable: boolean;
}

interface ProblemOptions {
  readonly hint?: string | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  /** Seconds, sent as `Retry-After`. */
  readonly retryAfter?: number | undefined;
  readonly cause?: unknown;
}

/** An error with a code of the list; thrown by the rules and the server, and by the client for a refused request. */
export class Problem extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly errors: readonly FieldError[] | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Problem";
    this.code = code;
    this.hint = options.hint;
    this.errors = options.errors;
    this.retryAfter = options.retryAfter;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  /** The document that goes over the wire. */
  document(requestId?: string): ProblemDocument {
    const { status, title, retryable } = ERRORS[this.code];
    return {
      type: `urn:gpu-dev:error:${this.code}`,
      title,
      status,
      code: this.code,
      detail: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.errors === undefined ? {} : { errors: this.errors }),
      ...(requestId === undefined ? {} : { request_id: requestId }),
      retryable,
    };
  }
}

/** True for a code of the list; a newer server may send others. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERRORS, code);
}
