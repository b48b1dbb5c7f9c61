/** Asks GitHub, or a server that answers like it, for the ssh keys of an account: `<base>/NAME.keys`. */
import { Problem } from "../api/errors.ts";
import type { GithubKeys } from "../core/core.ts";

const PATIENCE_MS = 5000;
const MAX_BYTES = 64 * 1024;
const MAX_HOPS = 3;

/** What the rules ask for; `baseUrl` is http or https. */
export function createGithubKeys(baseUrl: string): GithubKeys {
  const base = baseUrl.replace(/\/+$/, "");
  return async (name) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      const response = await follow(`${base}/${encodeURIComponent(name)}.keys`, signal);
      if (response.status === 404) return await response.body?.cancel().then(() => undefined);
      if (response.status !== 200) throw new Error(`it answered with status ${response.status}`);
      return await readBounded(response);
    } catch (cause) {
      const why = signal.aborted ? `no answer within ${PATIENCE_MS / 1000} s` : wordsOf(cause);
      throw new Problem("unavailable", `the keys of github:${name} could not be fetched: ${why}`, {
        retryAfter: 5,
        cause,
      });
    }
  };
}

/** Redirects are followed on the same host only: nobody else says whose keys these are. */
async function follow(url: string, signal: AbortSignal, hops = 0): Promise<Response> {
  const response = await fetch(url, { redirect: "manual", signal, headers: { accept: "text/plain" } });
  const location = response.headers.get("location");
  if (response.status < 300 || response.status > 399 || location === null) return response;
  await response.body?.cancel();
  const next = new URL(location, url);
  if (next.origin !== new URL(url).origin) throw new Error("it redirects to another host");
  if (hops === MAX_HOPS) throw new Error("it redirects again and again");
  return follow(next.href, signal, hops + 1);
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new Error(`its answer is larger than ${MAX_BYTES / 1024} KiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The transport hides its reason in the cause. */
function wordsOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
