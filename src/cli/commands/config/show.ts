/** `gpu-dev config show`: each setting and where it comes from. */
import { homeOf, tunnelEndpoint } from "../../../api/home.ts";
import { defineCommand } from "../../command.ts";
import type { Context } from "../../context.ts";
import { NotConfigured } from "../../errors.ts";
import type { Output } from "../../output/output.ts";
import { SETTINGS, type SettingName, setting } from "../../settings.ts";

interface Item {
  readonly name: string;
  readonly value: string | null;
  readonly origin: string;
}

export const command = defineCommand({
  options: {},
  details:
    "A flag beats the environment, which beats a file, which beats the default. Tokens are never shown whole.",
  examples: [{ line: "gpu-dev config show", meaning: "Which server, which token, which files, and why" }],
  async run(_args, _options, ctx): Promise<Output> {
    const items = [...server(ctx), ...(await settings(ctx)), ...directories(ctx)];
    return {
      json: { settings: items },
      header: ["SETTING", "VALUE", "FROM"],
      rows: items.map((item) => [item.name, item.value ?? "", item.origin]),
    };
  },
});

function server(ctx: Context): Item[] {
  try {
    const endpoint = ctx.endpoint();
    const { url, origin, context, token } = endpoint;
    const tunnels = tunnelEndpoint(ctx.env, endpoint);
    const tokenOrigin = ctx.env.GPU_DEV_TOKEN ? "GPU_DEV_TOKEN" : token === undefined ? "not set" : origin;
    return [
      { name: "context", value: context, origin: contextOrigin(ctx, origin) },
      { name: "url", value: url, origin },
      ...(tunnels.url === url ? [] : [{ name: "tunnel url", value: tunnels.url, origin: tunnels.origin }]),
      { name: "token", value: token === undefined ? null : masked(token), origin: tokenOrigin },
    ];
  } catch (error) {
    if (!(error instanceof NotConfigured)) throw error;
    return [{ name: "url", value: null, origin: "not set" }];
  }
}

function contextOrigin(ctx: Context, origin: string): string {
  if (ctx.global.context !== undefined) return "--context";
  return ctx.env.GPU_DEV_CONTEXT && !ctx.env.GPU_DEV_URL ? "GPU_DEV_CONTEXT" : origin;
}

/** C-21: enough to tell two tokens apart, too little to use one. */
const masked = (token: string): string => (token.length < 16 ? "…" : `${token.slice(0, 6)}…`);

const settings = (ctx: Context): Promise<Item[]> =>
  Promise.all(
    (Object.keys(SETTINGS) as SettingName[]).map(async (name) => {
      const found = await setting(ctx, name);
      return { name, value: found?.value ?? null, origin: found?.origin ?? "not set" };
    }),
  );

function directories(ctx: Context): Item[] {
  const origin = ctx.env.GPU_DEV_HOME ? "GPU_DEV_HOME" : "default";
  const usual = homeOf({}, ctx.homedir).configDir;
  const configOrigin = origin === "default" && ctx.home.configDir !== usual ? "XDG_CONFIG_HOME" : origin;
  return [
    { name: "config directory", value: ctx.home.configDir, origin: configOrigin },
    { name: "state directory", value: ctx.home.stateDir, origin },
  ];
}
