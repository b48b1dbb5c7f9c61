/** The Docker Engine API over HTTP; see docs.docker.com/reference/api/engine. No version is asked for: engines differ in what they still know. */
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { Breaker, type BreakerState, type OutsideService } from "../../api/breaker.ts";
import { DriverError, HostAway } from "../driver.ts";
import type { Route } from "./address.ts";

const PATIENCE_MS = 20_000;
/**
 * Short pauses: whoever ends a pod, or looks whether it lives, is held up by one pause and one trial at most, far less than the 30 s of
 * L-11.
 */
const RULES = { failures: 5, pauseMs: 1000, longestMs: 8000, trialMs: 10_000 };

/** While a container starts, its engine answers no question about that one: it may wait for the container's GPUs. */
const ABOUT_ONE = /^\/containers\/(?!json\b)/;

export interface Ask {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** An object goes as JSON, bytes as a tar archive. */
  readonly body?: object | Buffer | Readable;
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the answer begins; 0 for as long as it takes. Default: 20 s. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** The engine answered with an error. */
export class EngineError extends DriverError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The engine did not answer; `code` is that of the socket, or of what stands in its place. */
export class EngineUnreachable extends HostAway {
  readonly code: string;

  constructor(message: string, code: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

interface EngineOptions {
  /** For errors, health and metrics. */
  readonly host: string;
  /** Told once when it cannot be asked any more, with why, and with undefined when it can be again. */
  readonly changed?: (fault: Error | undefined) => void;
}

export class Engine implements OutsideService {
  readonly name: string;
  readonly #host: string;
  readonly #route: Route;
  readonly #breaker: Breaker;

  constructor(route: Route, { host, changed }: EngineOptions = { host: "the host" }) {
    this.#route = route;
    this.#host = host;
    this.name = `docker-host:${host}`;
    this.#breaker = new Breaker({ ...RULES, ...(changed && { changed }) });
  }

  state(): BreakerState {
    return this.#breaker.state();
  }

  /** Why it could not be asked the last time; undefined when it could. */
  get fault(): string | undefined {
    return this.#breaker.fault?.message;
  }

  /** The answer as JSON; undefined for an empty one. Throws EngineError, EngineUnreachable. */
  async ask<T>(method: string, path: string, ask: Ask = {}): Promise<T> {
    const response = await this.open(method, path, ask);
    const said = await inTime(text(response), response);
    // podman does not always say what it is.
    const { "content-type": type = "application/json" } = response.headers;
    return (said !== "" && type.startsWith("application/json") ? JSON.parse(said) : undefined) as T;
  }

  /** The same, or undefined where there is no such thing. */
  async find<T>(path: string, ask?: Ask): Promise<T | undefined> {
    return unlessStatus(404, this.ask<T>("GET", path, ask));
  }

  /** The answer as it comes. */
  async open(method: string, path: string, ask: Ask = {}): Promise<IncomingMessage> {
    this.#admit(ask);
    const response = await this.#answer(this.#send(method, path, ask), "response", ask);
    if ((response.statusCode ?? 500) >= 400) throw await errorOf(response);
    return response;
  }

  /** A stream both ways in the place of the connection (the documentation calls it hijacking). */
  async upgrade(path: string, body?: object): Promise<Duplex> {
    this.#admit();
    const headers = { Connection: "Upgrade", Upgrade: "tcp" };
    const request = this.#send("POST", path, { headers, ...(body && { body }) });
    let stream: Duplex | undefined;
    request.on("upgrade", (_response, socket, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      stream = socket;
    });
    const response = await this.#answer(request, "upgrade", {});
    if (stream) return stream;
    throw await errorOf(response);
  }

  /** Throws at once while it is taken for down, but for one call now and then. */
  #admit({ body }: Ask = {}): void {
    if (this.#breaker.admit() === 0) return;
    if (body !== undefined && "pipe" in body) body.destroy();
    const fault = this.#breaker.fault as EngineUnreachable;
    // Not in how many: who waits would be told each second, and what is kept would soon be wrong.
    const words = `${this.#host}: ${fault.message}; it is asked again within ${RULES.longestMs / 1000} s`;
    throw new EngineUnreachable(words, fault.code, fault);
  }

  close(): void {
    this.#route.options.agent.destroy();
  }

  #send(method: string, path: string, { query = {}, body, headers, signal }: Ask): ClientRequest {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) search.set(name, String(value));
    const options: RequestOptions = {
      ...this.#route.options,
      method,
      path: search.size === 0 ? path : `${path}?${search}`,
      headers: { Host: "docker", ...bodyHeaders(body), ...headers },
      ...(signal ? { signal } : {}),
    };
    const request = this.#route.secure ? httpsRequest(options) : httpRequest(options);
    if (body !== undefined && "pipe" in body) {
      body.on("error", (error) => request.destroy(error)).pipe(request);
      // An engine may answer, or be gone, before it has taken all of it.
      request.on("close", () => body.destroy());
    } else request.end(bytesOf(body));
    return request;
  }

  /** `event` is what is hoped for; another answer comes as well. */
  async #answer(
    request: ClientRequest,
    event: "response" | "upgrade",
    { patienceMs = PATIENCE_MS, signal }: Ask,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const late = () => request.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
    const timer = patienceMs === 0 ? undefined : setTimeout(late, patienceMs);
    request.once(event, resolve).once("response", resolve).on("error", reject);
    try {
      const answer = await promise;
      this.#breaker.succeeded();
      return answer;
    } catch (error) {
      const fault = unreachable(error);
      // Such a question that is not answered in all that time is enough: the others would wait as long for nothing.
      const isEnough =
        fault.code === "ETIMEDOUT" && request.method === "GET" && !ABOUT_ONE.test(request.path);
      if (signal?.aborted) this.#breaker.brokenOff();
      else this.#breaker.failed(fault, isEnough);
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The socket's own words name a path of this machine, which is nothing for users. */
function unreachable(error: unknown): EngineUnreachable {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const words =
    WORDS[code] ??
    (code === "ESSH"
      ? `ssh: ${message.replace(/^ssh: /, "")}`
      : isTls(code)
        ? `TLS: ${message}`
        : code || message);
  return new EngineUnreachable(`the Docker Engine cannot be asked: ${words}`, code, error);
}

/** Of a certificate that is not trusted, has expired or is another's, or of an engine that wants one. */
export const isTls = (code: string): boolean => /CERT|TLS|SSL|LEAF_SIGNATURE|EPROTO/.test(code);

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it closed the connection",
  EACCES: "no permission to use its socket",
  ETIMEDOUT: "no answer in time",
  ENOTFOUND: "its name has no address",
};

/** Undefined in the place of an answer with this status. */
export async function unlessStatus<T>(status: number, asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof EngineError && error.status === status) return undefined;
    throw error;
  }
}

/** Takes something away; not what somebody uses, and not again. */
export const unlessUsed = (engine: Engine, path: string) =>
  unlessStatus(404, unlessStatus(409, engine.ask("DELETE", path)));

/** What has begun to answer may still hang. */
async function inTime<T>(reading: Promise<T>, response: IncomingMessage): Promise<T> {
  const late = () => response.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
  const timer = setTimeout(late, PATIENCE_MS);
  try {
    return await reading;
  } catch (error) {
    throw unreachable(error);
  } finally {
    clearTimeout(timer);
  }
}

async function errorOf(response: IncomingMessage): Promise<EngineError> {
  const said = (await inTime(text(response), response)).slice(0, 2000);
  const status = response.statusCode ?? 500;
  // An engine's "there is no such thing" is JSON, or without a body where none may be: a proxy's is no answer of an engine.
  if (status === 404 && said !== "" && !said.startsWith("{"))
    return new EngineError(502, `what answers there is no Docker Engine: ${messageIn(said).slice(0, 200)}`);
  return new EngineError(status, messageIn(said).slice(0, 500));
}

function messageIn(said: string): string {
  try {
    return String((JSON.parse(said) as { message?: unknown }).message ?? said);
  } catch {
    // A proxy's page, or nothing.
    return said.trim() || "the Docker Engine gave no reason";
  }
}

function bodyHeaders(body: Ask["body"]): Record<string, string> {
  if (body === undefined) return { "Content-Length": "0" };
  if ("pipe" in body) return { "Content-Type": "application/x-tar" };
  const type = Buffer.isBuffer(body) ? "application/x-tar" : "application/json";
  return { "Content-Type": type, "Content-Length": String(bytesOf(body)?.length) };
}

const bytesOf = (body: object | Buffer | undefined): Buffer | undefined =>
  body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
