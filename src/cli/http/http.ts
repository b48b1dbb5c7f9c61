/** The lightest Fetch: node:http or node:https, one connection for each request, bounded in time and size. */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import type { Fetch } from "../../api/client.ts";

export interface Limits {
  /** For the whole exchange, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export const LIMITS: Limits = { timeoutMs: 30_000, maxBytes: 16 * 1024 * 1024 };

type Init = Parameters<Fetch>[1];

/** A Fetch within `limits`. Rejects with the error of the socket, or one of code ETIMEDOUT or ERR_TOO_LARGE. */
export function lightFetch(limits: Limits = LIMITS): Fetch {
  return async (url, init) => {
    const request = await open(new URL(url), init);
    const response = await exchange(request, init, limits);
    return response;
  };
}

/** node:https costs a TLS library at start, so it is loaded only when the URL asks for it. */
async function open(url: URL, init: Init): Promise<ClientRequest> {
  const make = url.protocol === "https:" ? (await import("node:https")).request : requestHttp;
  const length = init.body === undefined ? {} : { "content-length": String(Buffer.byteLength(init.body)) };
  return make(url, {
    method: init.method,
    headers: { ...init.headers, ...length },
    agent: false,
    ...(init.signal ? { signal: init.signal } : {}),
  });
}

function exchange(request: ClientRequest, init: Init, limits: Limits): ReturnType<Fetch> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(timeoutError(limits)), limits.timeoutMs);
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      reject(error);
    };
    request.on("error", fail);
    request.on("response", (response) => {
      readBody(response, limits).then((text) => {
        clearTimeout(timer);
        resolve(reply(response, text));
      }, fail);
    });
    request.end(init.body);
  });
}

function reply(response: IncomingMessage, text: string): Awaited<ReturnType<Fetch>> {
  return {
    status: response.statusCode ?? 0,
    headers: { get: (name) => [response.headers[name.toLowerCase()] ?? null].flat().join(", ") || null },
    text: async () => text,
  };
}

async function readBody(response: IncomingMessage, limits: Limits): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limits.maxBytes)
      throw coded("ERR_TOO_LARGE", `the answer is larger than ${limits.maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const timeoutError = (limits: Limits): Error =>
  coded("ETIMEDOUT", `no whole answer within ${limits.timeoutMs / 1000} s`);

const coded = (code: string, message: string): Error => Object.assign(new Error(message), { code });
