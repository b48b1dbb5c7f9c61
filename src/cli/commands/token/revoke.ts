/** `gpu-dev token revoke`: a token that is good for nothing any more. */
import type { Token } from "../../../api/accounts.ts";
import { defineCommand } from "../../command.ts";
import type { Context } from "../../context.ts";
import { Declined } from "../../errors.ts";
import { allPages } from "../../http/all-pages.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { tokenTable } from "../../output/token.ts";
import { findToken } from "../../people/find.ts";

export const command = defineCommand({
  arguments: [
    {
      name: "token",
      summary: "Its id, its first characters, or its label when only one has it",
      required: true,
    },
  ],
  options: { yes: flag("-y, --yes", "Do not ask") },
  details:
    "Within 5 seconds it is good for nothing on any server, and what it opened (tunnels, watches) ends. It cannot be undone. On a terminal it asks first, unless --yes says so.",
  examples: [{ line: 'gpu-dev token revoke "old laptop" --yes', meaning: "Of a machine that you lost" }],
  async run([word = ""], { yes }, ctx): Promise<Output> {
    const { items } = await allPages((query) => ctx.api().listTokens({ query }));
    const token = findToken(items, word);
    if (!yes && ctx.interactive && !(await ctx.prompts.confirm(question(token)))) throw new Declined();
    return await revoke(ctx, token);
  },
});

const question = ({ label, prefix, current }: Token): string =>
  `Revoke ${label} (${prefix}…)${current ? ", which is the one in use here" : ""}?`;

/** Revokes it, and shows it as it is now. */
export async function revoke(ctx: Context, { id }: Token): Promise<Output> {
  const revoked = await ctx.api().revokeToken({ params: { id } });
  ctx.say(`${revoked.label} is good for nothing any more`);
  return { json: revoked, ...tokenTable([revoked], ctx.clock.now()) };
}
