/** What both ends must agree on when a session opens. */

export const SUBPROTOCOL = "gpu-dev.tunnel.v1";

/** Grows with every dial of a session: 1, 2, … */
export const ATTEMPT = "gpu-dev-attempt";
/** In an answer: the new session's id. In a request: the session to resume. */
export const SESSION = "gpu-dev-session";
/** Bytes accepted in order so far. */
export const RECEIVED = "gpu-dev-received";
/** Bytes that may be in flight each way. */
export const WINDOW = "gpu-dev-window";

/** Seconds that the gateway keeps a session without a connection. */
export const DETACH = "gpu-dev-detach";
/** What a gateway that does not tell does. */
export const DEFAULT_DETACH_MS = 5 * 60_000;

export const DEFAULT_WINDOW = 8 * 1024 * 1024;
export const MIN_WINDOW = 4 * 1024 * 1024;
export const MAX_WINDOW = 16 * 1024 * 1024;

/** A whole number of at most 15 digits as it stands in a header or a query, else undefined. */
export function wholeNumber(text: string | undefined | null): number | undefined {
  return text !== undefined && text !== null && /^(0|[1-9][0-9]{0,14})$/.test(text)
    ? Number(text)
    : undefined;
}
