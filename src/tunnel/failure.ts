/** Every way in which a tunnel cannot be had, each as one line: what, why, what to do (T-05, T-06). */
import type { IncomingMessage } from "node:http";
import { ERRORS, type ErrorCode, isErrorCode } from "../api/errors.ts";
import type { HttpProxy } from "../api/proxy.ts";
import { oneLine } from "./frames.ts";
import { wholeNumber } from "./opening.ts";

/** The server that a tunnel goes to. */
export interface Server {
  /** Without a trailing slash. */
  readonly url: string;
  readonly token: string | undefined;
  /** Where the URL was found: a file, or an environment variable. */
  readonly origin: string;
  /** What the way there leads through; undefined for a direct one. */
  readonly proxy?: HttpProxy | undefined;
}

interface Prospect {
  /** True for what may pass by itself: dialling again makes sense. */
  readonly passing?: boolean;
  /** True when it was the gpu-dev server that said no, and not something on the way to it. */
  readonly refused?: boolean;
  /** The code of the server's problem. */
  readonly code?: string | undefined;
  /** True when the reservation is still being prepared: that takes longer than a fault. */
  readonly preparing?: boolean;
  /** The server asks not to be dialled before. */
  readonly retryAfterMs?: number;
}

/** The message is the line for the user. */
export class TunnelFailure extends Error {
  override readonly name = "TunnelFailure";
  readonly prospect: Prospect;

  constructor(message: string, options: ErrorOptions & { readonly prospect?: Prospect } = {}) {
    super(message, options);
    this.prospect = options.prospect ?? {};
  }
}

/** Nothing was heard in time. */
export const noAnswer = (): Error => Object.assign(new Error("no answer"), { code: "ETIMEDOUT" });

/** The next step, where the server does not name a better one. */
const NEXT: Partial<Record<ErrorCode, string>> = {
  not_logged_in: "check GPU_DEV_TOKEN, or log in again",
  not_allowed: "ask its owner to share it with you",
  not_found: "`gpu-dev list` shows what is yours",
  not_ready: "`gpu-dev show` tells how far it is; then try again",
  reservation_ended: "`gpu-dev reserve` makes a new one",
  pod_unreachable: "try again in a few seconds",
  too_many_tunnels: "close one, then try again",
  draining: "try again in a moment",
  unavailable: "try again in a moment",
  session_gone: "connect again",
  stale_attempt: "connect again",
};

const TLS = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/;
const DNS = /^(ENOTFOUND|EAI_)/;
const UNREACHABLE = /^(ECONN|ETIMEDOUT|EHOST|ENET|EPIPE|EADDRNOTAVAIL)/;

/** Statuses that say "later". */
export const PASSING = new Set([429, 502, 503, 504]);

const MAX_BODY = 64 * 1024;

/** Which part of a connection failed. */
export function faultOf({ code = "" }: Error & { code?: string }): "dns" | "tls" | "unreachable" | "other" {
  if (DNS.test(code)) return "dns";
  if (TLS.test(code)) return "tls";
  return UNREACHABLE.test(code) ? "unreachable" : "other";
}

/** What a failed connection means; the error is the cause. */
export function networkFailure(error: Error & { code?: string }, server: Server): TunnelFailure {
  const fault = faultOf(error);
  const { proxy } = server;
  const way = proxy === undefined ? "" : `; the way leads through the proxy ${proxy.host} (${proxy.origin})`;
  return new TunnelFailure(oneLine(`${networkText(error, server)[fault]}${way}`), {
    cause: error,
    prospect: { passing: fault === "dns" || fault === "unreachable" },
  });
}

function networkText({ code = "", message }: Error & { code?: string }, { url, origin }: Server) {
  const { host, hostname } = new URL(url);
  return {
    dns: `no address found for ${hostname} (${code}); check your network and ${origin}`,
    tls: `TLS to ${host} failed: ${message} (${code}); for an authority of your own, set NODE_EXTRA_CA_CERTS`,
    unreachable: `${host} cannot be reached (${code}); is the server running? Its URL is from ${origin}`,
    other: `${host} does not answer as a gpu-dev server: ${message}; check the URL in ${origin}`,
  };
}

/** What a refusal means; reads the body, at most 64 KiB of it, and closes the connection. */
export async function refusalFailure(response: IncomingMessage, server: Server): Promise<TunnelFailure> {
  const problem = readProblem(response, await readBody(response, MAX_BODY));
  const status = response.statusCode ?? 0;
  const preparing = problem?.code === "not_ready";
  return new TunnelFailure(oneLine(problem ? problemText(problem) : foreignText(status, server)), {
    prospect: {
      passing: PASSING.has(status) || preparing,
      refused: problem !== undefined,
      code: problem?.code,
      preparing,
      retryAfterMs: 1000 * (wholeNumber(response.headers["retry-after"]) ?? 0),
    },
  });
}

/** The body as text, cut at `max` bytes or where the connection breaks; the connection is closed. */
export async function readBody(response: IncomingMessage, max: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of response) {
      parts.push(part as Buffer);
      length += (part as Buffer).length;
      if (length >= max) break;
    }
  } catch (error) {
    // What came before the break may still say why; without it, the status has to do.
    if (!response.destroyed) throw error;
  } finally {
    response.destroy();
  }
  return Buffer.concat(parts).toString("utf8", 0, max);
}

interface ShortProblem {
  readonly code: string;
  readonly title?: unknown;
  readonly detail?: unknown;
  readonly hint?: unknown;
}

function readProblem(response: IncomingMessage, body: string): ShortProblem | undefined {
  if (!response.headers["content-type"]?.startsWith("application/problem+json")) return undefined;
  try {
    const json = JSON.parse(body) as Partial<ShortProblem> | null;
    return typeof json?.code === "string" ? (json as ShortProblem) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function problemText({ code, title, detail, hint }: ShortProblem): string {
  const known = isErrorCode(code);
  const what = known ? ERRORS[code].title : String(title ?? code);
  const next = hint ?? (known ? NEXT[code] : undefined);
  return `${what}: ${String(detail)}${next === undefined ? "" : `; ${String(next)}`}`;
}

function foreignText(status: number, { url, origin }: Server): string {
  const behind = status >= 502 && status <= 504;
  return behind
    ? `${new URL(url).host} answered HTTP ${status}: what is behind it cannot be reached; try again in a moment`
    : `${new URL(url).host} answered HTTP ${status}, not as a gpu-dev server; check the URL in ${origin}`;
}
