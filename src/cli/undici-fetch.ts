/** Requests through the user's HTTP proxy, by undici. */
import { EnvHttpProxyAgent, request } from "undici";
import type { Fetch } from "../api/client.ts";
import { LIMITS } from "./http.ts";
import { proxyVariable } from "./proxy.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A Fetch through undici that obeys the proxy variables of `env`. */
export function proxyFetch(env: Env): Fetch {
  return async (url, init) => {
    // One agent for each request: nothing is kept alive that would hold the process open.
    const agent = new EnvHttpProxyAgent({
      ...proxies(env),
      maxResponseSize: LIMITS.maxBytes,
      headersTimeout: LIMITS.timeoutMs,
      bodyTimeout: LIMITS.timeoutMs,
    });
    try {
      const response = await request(url, {
        method: init.method,
        headers: init.headers,
        dispatcher: agent,
        ...(init.body === undefined ? {} : { body: init.body }),
        ...(init.signal ? { signal: init.signal } : {}),
      });
      const text = await response.body.text();
      const get = (name: string): string | null =>
        [response.headers[name.toLowerCase()] ?? null].flat().join(", ") || null;
      return { status: response.statusCode, headers: { get }, text: async () => text };
    } finally {
      await agent.close();
    }
  };
}

function proxies(env: Env): { httpProxy?: string; httpsProxy?: string; noProxy?: string } {
  const httpProxy = proxyVariable(env, "HTTP_PROXY");
  const httpsProxy = proxyVariable(env, "HTTPS_PROXY") ?? httpProxy;
  return {
    ...(httpProxy === undefined ? {} : { httpProxy }),
    ...(httpsProxy === undefined ? {} : { httpsProxy }),
    noProxy: proxyVariable(env, "NO_PROXY") ?? "",
  };
}
