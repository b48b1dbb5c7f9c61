/** The typed client as the commands use it: with retries, and with words for a server that does not answer. */
import { type Client, createClient, type Fetch } from "../../api/client.ts";
import { type Endpoint, findEndpoint, type Home } from "../../api/home.ts";
import { proxyFor } from "../../api/proxy.ts";
import { VERSION } from "../../api/version.ts";
import type { GlobalOptions, Outside, ServerSeen } from "../context.ts";
import { CliError, NotConfigured, Unreachable, UsageError } from "../errors.ts";
import { withRenewal } from "./renewal.ts";
import { errorCode, withRetries } from "./retry.ts";
import { withVersionNotice } from "./versions.ts";

/** The configured server. Throws NotConfigured, and UsageError for a file or URL that cannot be read. */
export function endpointOf(outside: Outside, home: Home, global: GlobalOptions): Endpoint {
  const endpoint = readEndpoint(outside, home, global);
  if (!endpoint) throw notConfigured(global.context ?? outside.env.GPU_DEV_CONTEXT);
  return checkEndpoint(endpoint);
}

/** Throws UsageError for a URL that no server can have. */
export function checkEndpoint(endpoint: Endpoint): Endpoint {
  const { protocol = "", username = "", password = "" } = URL.parse(endpoint.url) ?? {};
  if (username + password !== "")
    throw new UsageError(
      `The URL set by ${endpoint.origin} has a user name or a password in it`,
      "Who you are is said by a token alone: `gpu-dev login URL` asks for it.",
    );
  if (!/^https?:$/.test(protocol))
    throw new UsageError(
      `${JSON.stringify(endpoint.url)} (set by ${endpoint.origin}) is not an http or https URL`,
      "It looks like http://127.0.0.1:4780.",
    );
  return endpoint;
}

function readEndpoint(outside: Outside, home: Home, global: GlobalOptions): Endpoint | undefined {
  try {
    return findEndpoint(outside.env, home, global.context);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message, "Repair it or remove it.", error);
    throw error;
  }
}

function notConfigured(context: string | undefined): NotConfigured {
  const known = context === undefined || context === "local";
  return new NotConfigured(
    known ? "No server is configured" : `There is no context called ${JSON.stringify(context)}`,
    known
      ? "Start one here with `gpu-dev server`, or log in to one that runs: `gpu-dev login URL`."
      : "`gpu-dev context list` shows those that you have; `gpu-dev login URL --name NAME` adds one.",
  );
}

interface Around {
  /** Has another token when the server does not take that of the endpoint. */
  renew?(): Promise<string | undefined>;
  /** Is told who answered. */
  readonly seen?: ServerSeen;
}

/** A client for `endpoint`, with retries, its log in `detail`, and words for a server that does not answer. */
export function clientFor(
  outside: Outside,
  endpoint: Endpoint,
  detail: (line: string) => void,
  { renew = async () => undefined, seen = {} }: Around = {},
): Client {
  const logged = withLog(withVersionNotice(outside.fetch, outside, seen), outside.clock, detail);
  const retried = withRetries(logged, {
    clock: outside.clock,
    random: Math.random,
    onRetry: (why, pauseMs) => detail(`${why}; next attempt in ${Math.round(pauseMs)} ms`),
  });
  return createClient({
    url: endpoint.url,
    token: endpoint.token,
    fetch: withRenewal(withWords(retried, endpoint, outside.env), renew),
    version: VERSION,
  });
}

function withLog(fetch: Fetch, clock: Outside["clock"], detail: (line: string) => void): Fetch {
  return async (url, init) => {
    const start = clock.now().getTime();
    const took = (): string => `${clock.now().getTime() - start} ms`;
    try {
      const reply = await fetch(url, init);
      const id = reply.headers.get("x-request-id");
      detail(
        `${init.method} ${url}: HTTP ${reply.status} in ${took()}${id === null ? "" : ` (request ${id})`}`,
      );
      return reply;
    } catch (error) {
      detail(`${init.method} ${url}: ${errorCode(error) || "no answer"} after ${took()}`);
      throw error;
    }
  };
}

function withWords(fetch: Fetch, endpoint: Endpoint, env: Outside["env"]): Fetch {
  return async (url, init) => {
    try {
      return await fetch(url, init);
    } catch (error) {
      // Without a code it is none of the network's.
      if (init.signal?.aborted || error instanceof CliError || errorCode(error) === "") throw error;
      throw new Unreachable(
        endpoint,
        `${whyUnreachable(error)}${wayThrough(env, endpoint)}`,
        error,
        hintOf(error),
      );
    }
  };
}

function wayThrough(env: Outside["env"], { url }: Endpoint): string {
  const proxy = proxyFor(env, url);
  return proxy === undefined ? "" : `; the way leads through the proxy ${proxy.host} (${proxy.origin})`;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was cut",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the host name could not be looked up now",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to its network",
};

const CERTIFICATE = /CERT|TLS|SSL|LEAF_SIGNATURE/;

/** What to do about a certificate; undefined for anything else. */
function hintOf(error: unknown): string | undefined {
  const code = errorCode(error);
  if (!CERTIFICATE.test(code)) return undefined;
  return /SELF_SIGNED|UNABLE_TO|LEAF_SIGNATURE/.test(code)
    ? "For an authority of your own, set NODE_EXTRA_CA_CERTS to its certificate (a file in PEM)."
    : "Look at the name in the server's address and at this machine's clock; else its operator has to mend the certificate.";
}

function whyUnreachable(error: unknown): string {
  const code = errorCode(error);
  const message = error instanceof Error ? error.message : String(error);
  // Node adds advice for who runs it by hand.
  if (CERTIFICATE.test(code)) return `the TLS certificate was not accepted (${message.split(";")[0]})`;
  return WORDS[code] ?? message;
}
