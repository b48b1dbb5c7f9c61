/** Where each setting comes from: all places that set it, the one that counts first. A flag beats the environment, which beats a file. */
import {
  credentialsFile,
  type Endpoint,
  findEndpoint,
  homeOf,
  readCredentials,
  tunnelEndpoint,
} from "../../api/home.ts";
import type { Context } from "../context.ts";
import { SETTING_NAMES, sourcesOf } from "./settings.ts";

export interface Item {
  readonly name: string;
  /** Null when nothing sets it. */
  readonly value: string | null;
  readonly origin: string;
  /** False for one that something before it overrides. */
  readonly used: boolean;
}

/** All settings. Throws CorruptFile and UsageError for files that are not valid. */
export async function originsOf(ctx: Context): Promise<Item[]> {
  const settings = await Promise.all(
    SETTING_NAMES.map(async (name) => ranked(name, await sourcesOf(ctx, name))),
  );
  return [...serverOrigins(ctx), ...settings.flat(), ...directories(ctx)];
}

const ranked = (name: string, sources: readonly { value: string | null; origin: string }[]): Item[] =>
  sources.length === 0
    ? [{ name, value: null, origin: "not set", used: true }]
    : sources.map((source, i) => ({ name, ...source, used: i === 0 }));

function serverOrigins(ctx: Context): Item[] {
  const candidates = contextsInOrder(ctx);
  const found = candidates[0]?.endpoint;
  const urls = candidates.flatMap(({ endpoint }) =>
    endpoint ? [{ value: endpoint.url, origin: endpoint.origin }] : [],
  );
  const tunnels = found && tunnelEndpoint(ctx.env, found);
  return [
    ...ranked(
      "context",
      candidates.map(({ context, origin }) => ({ value: context, origin })),
    ),
    ...ranked("url", urls),
    ...(tunnels && tunnels.url !== found.url
      ? ranked("tunnel url", [{ value: tunnels.url, origin: tunnels.origin }])
      : []),
    ...ranked("token", tokens(ctx, found)),
  ];
}

interface Candidate {
  readonly context: string;
  readonly origin: string;
  /** Undefined for a name that no server has. */
  readonly endpoint: Endpoint | undefined;
}

function contextsInOrder({ env, home, global }: Context): Candidate[] {
  const named = (context: string | undefined, origin: string): Candidate[] =>
    context ? [{ context, origin, endpoint: findEndpoint({}, home, context) }] : [];
  const { current } = readCredentials(home);
  const local = findEndpoint({}, home, "local");
  return [
    ...named(global.context, "--context"),
    ...(env.GPU_DEV_URL
      ? [{ context: "environment", origin: "GPU_DEV_URL", endpoint: findEndpoint(env, home) }]
      : []),
    ...named(env.GPU_DEV_CONTEXT, "GPU_DEV_CONTEXT"),
    ...named(current, credentialsFile(home)),
    ...(local ? [{ context: "local", origin: local.origin, endpoint: local }] : []),
  ];
}

function tokens({ env }: Context, endpoint: Endpoint | undefined): { value: string; origin: string }[] {
  const stored = endpoint?.token !== env.GPU_DEV_TOKEN ? endpoint?.token : undefined;
  return [
    ...(env.GPU_DEV_TOKEN ? [{ value: masked(env.GPU_DEV_TOKEN), origin: "GPU_DEV_TOKEN" }] : []),
    ...(stored ? [{ value: masked(stored), origin: endpoint?.origin ?? "" }] : []),
  ];
}

/** C-21: enough to tell two tokens apart, too little to use one. */
const masked = (token: string): string => (token.length < 16 ? "…" : `${token.slice(0, 6)}…`);

function directories({ env, home, homedir }: Context): Item[] {
  const origin = env.GPU_DEV_HOME ? "GPU_DEV_HOME" : "default";
  const usual = homeOf({}, homedir).configDir;
  const configOrigin = origin === "default" && home.configDir !== usual ? "XDG_CONFIG_HOME" : origin;
  return [
    ...ranked("config directory", [{ value: home.configDir, origin: configOrigin }]),
    ...ranked("state directory", [{ value: home.stateDir, origin }]),
  ];
}
