/** Asks GitHub, or a server that answers like it, for the ssh keys of an account: `<base>/NAME.keys`. */
import { Problem } from "../api/errors.ts";
import type { GithubKeys } from "../core/core.ts";
import type { Service } from "./outside/service.ts";

/** Of an answer. */
export const MAX_KEYS_BYTES = 64 * 1024;
const MAX_HOPS = 3;

/** What the rules ask for; `baseUrl` is http or https. */
export function createGithubKeys(baseUrl: string, service: Pick<Service, "fetch">): GithubKeys {
  const base = baseUrl.replace(/\/+$/, "");
  return async (name) => {
    try {
      const response = await follow(service, `${base}/${encodeURIComponent(name)}.keys`);
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw new Error(`it answered with status ${response.status}`);
      return await response.text();
    } catch (cause) {
      throw new Problem(
        "unavailable",
        `the keys of github:${name} could not be fetched: ${(cause as Error).message}`,
        {
          retryAfter: (cause instanceof Problem ? cause.retryAfter : undefined) ?? 5,
          cause,
        },
      );
    }
  };
}

/** Redirects are followed on the same host only: nobody else says whose keys these are. */
async function follow({ fetch }: Pick<Service, "fetch">, url: string, hops = 0): Promise<Response> {
  const response = await fetch(url, { headers: { accept: "text/plain" } });
  const location = response.headers.get("location");
  if (response.status < 300 || response.status > 399 || location === null) return response;
  const next = new URL(location, url);
  if (next.origin !== new URL(url).origin) throw new Error("it redirects to another host");
  if (hops === MAX_HOPS) throw new Error("it redirects again and again");
  return follow({ fetch }, next.href, hops + 1);
}
