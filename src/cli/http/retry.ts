/**
 * Bounded retries around a Fetch, of what the server calls `retryable`. Only what may be sent twice is: GETs, and POSTs with an
 * Idempotency-Key. A connection that was refused carried nothing, and what the server did not begin it did not do: then any request may
 * try again.
 */
import type { Fetch } from "../../api/client.ts";
import type { ErrorCode, ProblemDocument } from "../../api/errors.ts";
import type { Clock } from "../context.ts";

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 100;
/** A server that asks for a longer pause than this gets its wish: the user is told to come back. */
const LONGEST_PAUSE_MS = 10_000;

const PASSING_STATUS = new Set([408, 429, 502, 503, 504]);
const NEVER_BEGUN = new Set<unknown>(["rate_limited", "draining"] satisfies ErrorCode[]);
const NEVER_SENT = new Set(["ECONNREFUSED", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);
const BROKEN_OFF = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT", "UND_ERR_SOCKET", "UND_ERR_CONNECT_TIMEOUT"]);

export interface RetryOptions {
  readonly clock: Clock;
  /** From 0 to 1; scatters the pauses. */
  readonly random: () => number;
  readonly onRetry: (why: string, pauseMs: number) => void;
}

/** `fetch` with up to three more attempts; the last answer or error is passed on as it is. */
export function withRetries(fetch: Fetch, options: RetryOptions): Fetch {
  return async (url, init) => {
    const safe = init.method === "GET" || init.headers["idempotency-key"] !== undefined;
    for (let attempt = 1; ; attempt++) {
      const outcome = await attemptOnce(fetch, url, init);
      const pauseMs = attempt < ATTEMPTS ? pauseAfter(outcome, safe, attempt, options.random) : undefined;
      if (pauseMs === undefined) return settle(outcome);
      options.onRetry(describe(outcome), pauseMs);
      await options.clock.sleep(pauseMs, init.signal);
    }
  };
}

type Reply = Awaited<ReturnType<Fetch>>;
type Outcome = { readonly reply: Reply; readonly refusal: Refusal } | { readonly error: unknown };
/** What a problem document says; nothing of a proxy's page. */
type Refusal = Partial<Pick<ProblemDocument, "code" | "retryable">>;

async function attemptOnce(...args: [Fetch, ...Parameters<Fetch>]): Promise<Outcome> {
  const [fetch, url, init] = args;
  try {
    const reply = await fetch(url, init);
    if (!PASSING_STATUS.has(reply.status)) return { reply, refusal: {} };
    const text = await reply.text();
    const { status, headers } = reply;
    return { reply: { status, headers, text: async () => text }, refusal: readRefusal(text) };
  } catch (error) {
    return { error };
  }
}

function settle(outcome: Outcome): Reply {
  if ("error" in outcome) throw outcome.error;
  return outcome.reply;
}

function readRefusal(text: string): Refusal {
  try {
    return (JSON.parse(text) as Refusal | null) ?? {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** Milliseconds until the next attempt; undefined when there should be none. */
function pauseAfter(
  outcome: Outcome,
  safe: boolean,
  attempt: number,
  random: () => number,
): number | undefined {
  const backOff = FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + random());
  if ("error" in outcome) {
    const code = errorCode(outcome.error);
    return NEVER_SENT.has(code) || (safe && BROKEN_OFF.has(code)) ? backOff : undefined;
  }
  const { code, retryable = PASSING_STATUS.has(outcome.reply.status) } = outcome.refusal;
  if (!retryable || !(safe || NEVER_BEGUN.has(code))) return undefined;
  const asked = Number(outcome.reply.headers.get("retry-after") ?? Number.NaN) * 1000;
  if (Number.isNaN(asked)) return backOff;
  return asked <= LONGEST_PAUSE_MS ? Math.max(asked, backOff) : undefined;
}

/** The code of a socket's error; Node wraps several tries (IPv6, then IPv4) in one AggregateError that has the code too. */
export const errorCode = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

const describe = (outcome: Outcome): string =>
  "error" in outcome ? errorCode(outcome.error) || "no answer" : `HTTP ${outcome.reply.status}`;
