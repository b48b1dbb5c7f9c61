/** Requests through the user's HTTP proxy, by undici. */
import { ProxyAgent, request } from "undici";
import type { Fetch } from "../../api/client.ts";
import type { HttpProxy } from "../../api/proxy.ts";
import { LIMITS } from "./http.ts";

/** A Fetch through `proxy`. */
export function proxyFetch(proxy: HttpProxy): Fetch {
  return async (url, init) => {
    // One agent for each request: nothing is kept alive that would hold the process open.
    const agent = new ProxyAgent({
      uri: proxy.url,
      ...(proxy.authorization === undefined ? {} : { token: proxy.authorization }),
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
