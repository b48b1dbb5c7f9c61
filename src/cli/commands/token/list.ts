/** `gpu-dev token list`: the caller's tokens. */
import { defineCommand } from "../../command.ts";
import { allPages } from "../../http/all-pages.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { tokenTable } from "../../output/token.ts";

export const command = defineCommand({
  options: { all: flag("-a, --all", "Those that are good for nothing any more, too") },
  details: "Of each its first characters, never the rest; the last use is told to the minute.",
  examples: [
    { line: "gpu-dev token list", meaning: "Your tokens, what each is good for, and when it was last used" },
    { line: "gpu-dev token list --all", meaning: "Those that were revoked or expired, too" },
  ],
  async run(_args, { all }, ctx): Promise<Output> {
    const state = all ? "all" : "live";
    const page = await allPages((query) => ctx.api().listTokens({ query: { ...query, state } }));
    return {
      json: page,
      ...tokenTable(page.items, ctx.clock.now()),
      empty: "No tokens. `gpu-dev token create LABEL` makes one.",
    };
  },
});
