/** The one plain request that the lean ssh-proxy needs, without any library. */
import http, { type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import { networkFailure, noAnswer, readBody, refusalFailure, type Server } from "./failure.ts";
import { throughProxy } from "./through-proxy.ts";

const TIMEOUT_MS = 10_000;
const MAX_REPLY = 1024 * 1024;

/** GETs JSON from the API. Throws TunnelFailure for refusals and for a server that cannot be reached. */
export async function getJson(server: Server, path: string): Promise<unknown> {
  const response = await get(server, path);
  if (response.statusCode !== 200) throw await refusalFailure(response, server);
  const text = await readBody(response, MAX_REPLY);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw networkFailure(new Error("its answer is not JSON", { cause }), server);
  }
}

async function get(server: Server, path: string): Promise<IncomingMessage> {
  const { request } = server.url.startsWith("https:") ? https : http;
  const headers = {
    accept: "application/json",
    ...(server.token === undefined ? {} : { authorization: `Bearer ${server.token}` }),
  };
  const way = await connection(server);
  return await new Promise((resolve, reject) => {
    const asked = request(server.url + path, { headers, ...way, timeout: TIMEOUT_MS }, resolve);
    asked.on("timeout", () => asked.destroy(noAnswer()));
    asked.on("error", (error) => reject(networkFailure(error, server)));
    asked.end();
  });
}

/** One of its own, which nothing keeps alive. */
async function connection(server: Server): Promise<RequestOptions> {
  if (!server.proxy) return { agent: false };
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(networkFailure(noAnswer(), server)), TIMEOUT_MS);
  try {
    const { createConnection } = await throughProxy(server, server.proxy, over.signal);
    return { createConnection };
  } finally {
    clearTimeout(timer);
  }
}
