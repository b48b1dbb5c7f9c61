/**
 * A service outside of the deployment that is asked over HTTP: within a time and a size, again where that is harmless, and not at
 * all while it is taken for down (B-10).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Breaker, type BreakerState, type OutsideService } from "../../api/breaker.ts";
import { Problem } from "../../api/errors.ts";

export interface ServiceOptions {
  /** For health and metrics: "github-keys". */
  readonly name: string;
  /** For people: "GitHub". */
  readonly title: string;
  /** Of an answer. */
  readonly maxBytes?: number;
  /** Milliseconds for all tries together. */
  readonly patienceMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  readonly pause?: (ms: number) => Promise<unknown>;
  /** Told once when it is taken for down, with why, and with undefined when it answers again. */
  readonly changed?: (fault: Error | undefined) => void;
}

const DEFAULTS = {
  maxBytes: 256 * 1024,
  patienceMs: 5000,
  now: () => performance.now(),
  pause: (ms: number): Promise<unknown> => sleep(ms),
  changed: (): void => undefined,
};
const FAILURES = 5;
const OPEN_MS = 30_000;
const TRIES = 3;
const FIRST_PAUSE_MS = 100;
/** Seconds after which a client may ask for what could not be had. */
const RETRY_AFTER_S = 5;

export class Service implements OutsideService {
  readonly name: string;
  readonly #options: Required<ServiceOptions>;
  readonly #breaker: Breaker;

  constructor(options: ServiceOptions) {
    this.name = options.name;
    this.#options = { ...DEFAULTS, ...options };
    const { now, changed } = this.#options;
    const rules = { failures: FAILURES, pauseMs: OPEN_MS, longestMs: OPEN_MS, trialMs: OPEN_MS };
    this.#breaker = new Breaker({ ...rules, now, changed });
  }

  state(): BreakerState {
    return this.#breaker.state();
  }

  /**
   * The whole answer, of any status below 500; redirects are the caller's to follow. Throws Problem unavailable, which names the
   * service, when there is none.
   */
  readonly fetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const { patienceMs, pause } = this.#options;
    const signal = AbortSignal.timeout(patienceMs);
    for (let tried = 1; ; tried++) {
      this.#admit();
      const outcome = await this.#attempt(url, { ...init, redirect: "manual", signal });
      if (outcome instanceof Response) return outcome;
      if (signal.aborted) throw this.#problem(`no answer within ${patienceMs / 1000} s`, outcome);
      if (tried === TRIES || this.#breaker.open || !mayRepeat(init, outcome))
        throw this.#problem(wordsOf(outcome), outcome);
      await pause(FIRST_PAUSE_MS * 2 ** (tried - 1) * (0.5 + Math.random()));
    }
  };

  #admit(): void {
    const waitMs = this.#breaker.admit();
    if (waitMs === 0) return;
    const seconds = Math.ceil(waitMs / 1000);
    throw new Problem("unavailable", `${this.#options.title} is down: it is asked again in ${seconds} s`, {
      retryAfter: seconds,
    });
  }

  /** An error that is returned has been counted. */
  async #attempt(url: string, init: RequestInit): Promise<Response | Error> {
    const outcome = await exchange(url, init, this.#options.maxBytes).catch((error: Error) => error);
    if (outcome instanceof Response) this.#breaker.succeeded();
    else this.#breaker.failed(outcome);
    return outcome;
  }

  #problem(why: string, cause: Error): Problem {
    return new Problem("unavailable", `${this.#options.title} cannot be asked now: ${why}`, {
      retryAfter: RETRY_AFTER_S,
      cause,
    });
  }
}

/** It may be another time, and at once. */
class Failing extends Error {}

async function exchange(url: string, init: RequestInit, maxBytes: number): Promise<Response> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  if (status >= 500) {
    await response.body?.cancel();
    throw new Failing(`it answered with status ${status}`);
  }
  const body = await readBounded(response, maxBytes);
  // A status such as 204 takes no body, not even an empty one.
  return new Response(body.byteLength === 0 ? null : body, { status, headers });
}

async function readBounded(response: Response, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`its answer is larger than ${maxBytes / 1024} KiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A connection that failed (a TypeError of `fetch`), or a server that did, may go well at once; what was sent with POST may have been done. */
const mayRepeat = ({ method = "GET" }: RequestInit, error: Error): boolean =>
  method === "GET" && (error instanceof TypeError || error instanceof Failing);

/** The transport hides its reason in the cause. */
const wordsOf = ({ message, cause }: Error): string => (cause instanceof Error ? cause.message : message);
