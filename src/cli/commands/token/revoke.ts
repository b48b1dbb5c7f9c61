/** `gpu-dev token revoke`: a token that is good for nothing any more. */
import type { RevokedToken, Token } from "../../../api/accounts.ts";
import { defineCommand } from "../../command.ts";
import type { Context } from "../../context.ts";
import { Declined } from "../../errors.ts";
import { allPages } from "../../http/all-pages.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { tokenTable } from "../../output/token.ts";
import { findToken } from "../../people/find.ts";
import { keepMadeOption } from "../../people/options.ts";

export const command = defineCommand({
  arguments: [
    {
      name: "token",
      summary: "Its id, its first characters, or its label when only one has it",
      required: true,
    },
  ],
  options: { keepMade: keepMadeOption, yes: flag("-y, --yes", "Do not ask") },
  details:
    "Within 5 seconds it is good for nothing on any server, nor are the tokens that were made with it, and with these in turn, also those of others and those that took its place: whoever had it may have made them. --keep-made leaves those alone. What they opened (tunnels, watches) ends. It cannot be undone. On a terminal it asks first, unless --yes says so.",
  examples: [
    { line: 'gpu-dev token revoke "old laptop" --yes', meaning: "Of a machine that you lost" },
    {
      line: "gpu-dev token revoke laptop --keep-made",
      meaning: "Of a machine that is nobody's any more; the tokens that were made on it stay good",
    },
  ],
  async run([word = ""], { keepMade, yes }, ctx): Promise<Output> {
    const { items } = await allPages((query) => ctx.api().listTokens({ query }));
    const token = findToken(items, word);
    const ask = !yes && ctx.interactive;
    if (ask && !(await ctx.prompts.confirm(question(token, keepMade)))) throw new Declined();
    return await revoke(ctx, token, keepMade);
  },
});

function question({ label, prefix, current }: Token, keepMade: boolean): string {
  const which = `${label} (${prefix}…)${current ? ", which is the one in use here" : ""}`;
  return `Revoke ${which}${keepMade ? "" : ", and what was made with it"}?`;
}

/** Revokes it, and shows it as it is now. */
export async function revoke(ctx: Context, { id }: Token, keepMade: boolean): Promise<Output> {
  const revoked = await ctx.api().revokeToken({ params: { id }, query: keepMade ? { made: "keep" } : {} });
  ctx.say(`${revoked.label}${alsoOf(revoked)} good for nothing any more`);
  return { json: revoked, ...tokenTable([revoked], ctx.clock.now()) };
}

function alsoOf({ also_revoked: also }: RevokedToken): string {
  if (also === 0) return " is";
  return ` and ${also === 1 ? "a token that was" : `${also} tokens that were`} made with it are`;
}
