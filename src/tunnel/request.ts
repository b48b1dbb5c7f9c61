/** The one plain request that the lean ssh-proxy needs, without any library. */
import type { IncomingMessage, RequestOptions } from "node:http";
import { networkFailure, noAnswer, readBody, refusalFailure, type Server } from "./failure.ts";
import { requesterFor } from "./requester.ts";
import { throughProxy } from "./through-proxy.ts";

const TIMEOUT_MS = 10_000;
const MAX_REPLY = 1024 * 1024;

/** GETs JSON from the API, all of it within 10 s. Throws TunnelFailure for refusals and for a server that cannot be reached. */
export async function getJson(server: Server, path: string): Promise<unknown> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(networkFailure(noAnswer(), server)), TIMEOUT_MS);
  try {
    const reply = await exchange(server, path, over.signal);
    // A body that was cut off by the limit looks like a whole one.
    over.signal.throwIfAborted();
    return reply;
  } catch (error) {
    throw over.signal.aborted ? over.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

async function exchange(server: Server, path: string, signal: AbortSignal): Promise<unknown> {
  const response = await get(server, path, signal);
  if (response.statusCode !== 200) throw await refusalFailure(response, server);
  const text = await readBody(response, MAX_REPLY);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw networkFailure(new Error("its answer is not JSON", { cause }), server);
  }
}

async function get(server: Server, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const url = new URL(server.url + path);
  const headers = {
    accept: "application/json",
    ...(server.token === undefined ? {} : { authorization: `Bearer ${server.token}` }),
  };
  const way = await connection(server, signal);
  return await new Promise((resolve, reject) => {
    const asked = requesterFor(url)(url, { headers, ...way, signal }, resolve);
    asked.on("error", (error) => reject(networkFailure(error, server)));
    asked.end();
  });
}

/** One of its own, which nothing keeps alive. */
async function connection(server: Server, signal: AbortSignal): Promise<RequestOptions> {
  if (!server.proxy) return { agent: false };
  const { createConnection } = await throughProxy(server, server.proxy, signal);
  return { createConnection };
}
