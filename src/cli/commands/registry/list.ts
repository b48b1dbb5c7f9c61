/** `gpu-dev registry list`: the image registries that the caller has a login for. */
import { defineCommand } from "../../command.ts";
import type { Output } from "../../output/output.ts";
import { ago } from "../../output/time.ts";

export const command = defineCommand({
  examples: [
    { line: "gpu-dev registry list", meaning: "Where your images come from, without the passwords" },
  ],
  async run(_args, _options, ctx): Promise<Output> {
    const page = await ctx.api().listRegistries({});
    const now = ctx.clock.now();
    return {
      json: page,
      header: ["REGISTRY", "USERNAME", "STORED"],
      rows: page.items.map(({ host, username, created_at }) => [host, username, ago(created_at, now)]),
      empty: "You have no logins for registries. `gpu-dev registry login HOST` stores one.",
    };
  },
});
