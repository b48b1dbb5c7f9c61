/** Logins at GitHub: the device flow of OAuth, and GitHub's own API for who that is. */
import * as client from "openid-client";
import * as z from "zod";
import { Problem } from "../../api/errors.ts";
import type { DeviceProvider, Identity } from "../../core/logins/providers.ts";
import type { GithubSettings } from "../config/logins.ts";
import type { Service } from "../outside/service.ts";
import { askBy, beginFlow, pollFlow } from "./device-flow.ts";
import { roleOf } from "./people.ts";

/** To see memberships that are not public. */
const SCOPE = "read:org";

type Fetch = Service["fetch"];

export function createGithub(
  settings: GithubSettings,
  secret: string | undefined,
  { fetch }: Pick<Service, "fetch">,
): DeviceProvider {
  const { title } = settings;
  const config = configure(settings, secret, fetch);
  return {
    kind: "github",
    issuer: settings.url,
    title,
    begin: () => beginFlow(config, SCOPE, title),
    async poll(deviceCode) {
      const tokens = await pollFlow(config, deviceCode, title);
      return typeof tokens === "string"
        ? tokens
        : identify(settings, asking(settings, fetch, tokens.access_token));
    },
  };
}

/** GitHub has no document that says where its endpoints are: they are where its manual has them. */
function configure({ url, client_id }: GithubSettings, secret: string | undefined, fetch: Fetch) {
  const server = {
    issuer: url,
    device_authorization_endpoint: `${url}/login/device/code`,
    token_endpoint: `${url}/login/oauth/access_token`,
  };
  const config = new client.Configuration(server, client_id, secret);
  if (url.startsWith("http:")) client.allowInsecureRequests(config);
  const ask = askBy(fetch);
  config[client.customFetch] = async (to, init) => asOAuth(await ask(to, init));
  return config;
}

/** GitHub's errors come with status 200; by RFC 6749, 5.2, they have 400. */
async function asOAuth(response: Response): Promise<Response> {
  const text = await response.text();
  const isError = response.status === 200 && /^\s*\{[^{}]*"error"\s*:/.test(text);
  return new Response(text, { status: isError ? 400 : response.status, headers: response.headers });
}

const account = z.object({ id: z.int(), login: z.string() });
const membership = z.object({ state: z.string() });

/** Asks the API as this person; undefined for what they may not see. Throws Problem unavailable. */
type Ask = <T>(path: string, shape: z.ZodType<T>) => Promise<T | undefined>;

function asking({ api_url, title }: GithubSettings, fetch: Fetch, token: string): Ask {
  const headers = {
    authorization: `Bearer ${token}`,
    accept: "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
    "user-agent": "gpu-dev",
  };
  return async (path, shape) => {
    const response = await fetch(`${api_url}${path}`, { headers });
    if (isTooMany(response))
      throw new Problem("unavailable", `${title} answers no more questions now`, { hint: "try again later" });
    if ([401, 403, 404].includes(response.status)) return undefined;
    const parsed = shape.safeParse(await response.json().catch(() => undefined));
    if (parsed.success) return parsed.data;
    throw new Problem("unavailable", `${title} answers ${path} with something else than its API`, {
      cause: parsed.error,
    });
  };
}

/** Its limit of questions comes as 403, too: then that says nothing about who is a member of what. */
const isTooMany = ({ status, headers }: Response): boolean =>
  status === 429 ||
  (status === 403 && (headers.has("retry-after") || headers.get("x-ratelimit-remaining") === "0"));

/** Throws Problem not_allowed and unavailable. */
async function identify(settings: GithubSettings, ask: Ask): Promise<Identity> {
  const { url, title } = settings;
  const known = await ask("/user", account);
  if (!known) throw new Problem("not_allowed", `${title} does not say who you are`, { hint: "begin anew" });
  const user = known.login.toLowerCase();
  // The number stays; a login may be given up, and then be somebody else's.
  const identity = { provider: url, subject: String(known.id), name: user };
  const role = roleOf(settings, {
    known: identity,
    shown: known.login,
    user,
    groups: await groupsOf(settings, ask, known.login),
  });
  return { ...identity, role };
}

/** Of those that the rules name, the ones that the account is an active member of. */
async function groupsOf({ allow, admins }: GithubSettings, ask: Ask, login: string): Promise<string[]> {
  const named = [...new Set([...(allow.groups ?? []), ...(admins?.groups ?? [])])];
  const found = await Promise.all(
    named.map(async (group) => {
      const member = await ask(pathOf(group, login), membership);
      return member?.state === "active" ? [group] : [];
    }),
  );
  return found.flat();
}

function pathOf(group: string, login: string): string {
  const [organisation = "", team] = group.split("/").map(encodeURIComponent);
  return team === undefined
    ? `/user/memberships/orgs/${organisation}`
    : `/orgs/${organisation}/teams/${team}/memberships/${encodeURIComponent(login)}`;
}
