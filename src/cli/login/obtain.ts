/** Logging in, in the way that the user chose: it ends with a token. */
import { type Client, RefusedRequest } from "../../api/client.ts";
import type { Endpoint } from "../../api/home.ts";
import type { LoginKind } from "../../api/login-routes.ts";
import type { LoginWay } from "../../api/logins.ts";
import { isThisMachine } from "../../api/proxy.ts";
import type { Context } from "../context.ts";
import { clientFor } from "../http/api.ts";
import { carryOut } from "./carry-out.ts";
import { askToken } from "./token.ts";

export interface Obtained {
  readonly way: LoginKind;
  readonly token: string;
  /** Null for a token that the user had. */
  readonly expiresAt: string | null;
}

/** A token for the server at `endpoint`, without its own being used. `wanted` undefined: a person is asked, a script has a token. */
export async function obtain(
  ctx: Context,
  { token: _none, ...endpoint }: Endpoint,
  wanted: LoginKind | undefined,
): Promise<Obtained> {
  const { protocol, hostname } = new URL(endpoint.url);
  if (protocol === "http:" && !isThisMachine(hostname))
    ctx.say(`${endpoint.url} is not encrypted: whoever is on the way can read your token.`);
  const api = clientFor(ctx, { ...endpoint, token: undefined }, ctx.detail);
  const way = wanted ?? (ctx.interactive ? await choose(ctx, api) : "token");
  if (way === "token") return { way, token: await askToken(ctx, endpoint.url), expiresAt: null };
  const { token, expires_at } = await carryOut(ctx, api, endpoint.url, way, (body) =>
    api.finishLogin({ body }),
  );
  return { way, token, expiresAt: expires_at };
}

async function choose(ctx: Context, api: Client): Promise<LoginKind> {
  const ways = await offered(api);
  const [first, ...others] = ways;
  if (first === undefined || others.length === 0) return "token";
  return ctx.prompts.select(
    "How do you log in?",
    ways.map(({ with: value, title }) => ({ name: `with ${title}`, value })),
  );
}

/** A server of an older version knows tokens only, and not that it can be asked. */
export async function offered(api: Client): Promise<LoginWay[]> {
  try {
    return (await api.listLogins({})).items;
  } catch (error) {
    if (error instanceof RefusedRequest && error.problem.code === "unknown_route") return [];
    throw error;
  }
}
