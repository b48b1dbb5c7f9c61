/** `gpu-dev token revoke`: a token that is good for nothing any more. */
import type { Token, TokenDetails } from "../../../api/accounts.ts";
import type { MadeWith, RevokeMade } from "../../../api/made.ts";
import { defineCommand } from "../../command.ts";
import { agree } from "../../consent.ts";
import type { Context } from "../../context.ts";
import { allPages } from "../../http/all-pages.ts";
import { flag } from "../../options.ts";
import { goneWords, leftWords, madeWords } from "../../output/made.ts";
import type { Output } from "../../output/output.ts";
import { tokenTable } from "../../output/token.ts";
import { findAnyToken } from "../../people/find.ts";
import { madeOf, madeOptions } from "../../people/options.ts";

export const command = defineCommand({
  arguments: [
    {
      name: "token",
      summary: "Its id, its first characters, or its label when only one has it",
      required: true,
    },
  ],
  options: { ...madeOptions, yes: flag("-y, --yes", "Do not ask") },
  details:
    "Within 5 seconds it is good for nothing on any server, nor is what was made with it for the same user: tokens, also the one that took its place, linked logins, and what came of these. What an administrator made with it for others stays good, and is counted; --with-others ends that as well, for when somebody else had the token. --keep-made leaves everything else alone. What they opened (tunnels, watches) ends. It cannot be undone; doing it again with other options ends the rest. On a terminal it says how much goes and asks first, unless --yes says so; --with-others needs --yes where nobody can be asked.",
  examples: [
    { line: 'gpu-dev token revoke "old laptop" --yes', meaning: "Of a machine that you have no more" },
    {
      line: "gpu-dev token revoke laptop --with-others --yes",
      meaning: "An administrator's that was stolen: whom the thief has let in is out as well",
    },
    {
      line: "gpu-dev token revoke laptop --keep-made",
      meaning: "Of a machine that is nobody's any more; the tokens that were made on it stay good",
    },
  ],
  async run([word = ""], { yes, ...given }, ctx): Promise<Output> {
    const made = madeOf(given);
    const list = (state: "live" | "all") =>
      allPages((query) => ctx.api().listTokens({ query: { ...query, state } }));
    const { id } = await findAnyToken(list, word);
    await agreeToRevoke(ctx, id, made, { yes });
    return await revoke(ctx, id, made, `gpu-dev token revoke ${id}`);
  },
});

const NOTHING: MadeWith = { own: { tokens: 0, logins: 0 }, others: { tokens: 0, logins: 0, users: 0 } };

/** Returns once the user agrees to how much is revoked, of `owner`, if that is another. A script is asked only where others lose something: then it needs --yes. */
export async function agreeToRevoke(
  ctx: Context,
  id: Token["id"],
  made: RevokeMade,
  { yes, owner }: { readonly yes: boolean; readonly owner?: string },
): Promise<void> {
  if (yes || (!ctx.interactive && made !== "all")) return;
  const question = questionOf(await ctx.api().getToken({ params: { id } }), made, owner);
  await agree(ctx, yes, question);
}

function questionOf(
  { label, prefix, current, made }: TokenDetails,
  which: RevokeMade,
  owner: string | undefined,
): string {
  const goes = madeWords({
    own: which === "keep" ? NOTHING.own : made.own,
    others: which === "all" ? made.others : NOTHING.others,
  });
  const stays = madeWords({
    own: which === "keep" ? made.own : NOTHING.own,
    others: which === "all" ? NOTHING.others : made.others,
  });
  const token = `${label}${owner === undefined ? "" : ` of ${owner}`} (${prefix}…)${current ? ", which is the one in use here" : ""}`;
  const also = goes === undefined ? "" : `, and ${goes} made with it`;
  return `Revoke ${token}${also}${stays === undefined ? "" : `, but not ${stays} made with it`}?`;
}

/** Revokes it, shows it as it is now, and says what went with it, and with which command goes what is left. */
export async function revoke(
  ctx: Context,
  id: Token["id"],
  made: RevokeMade,
  command: string,
): Promise<Output> {
  const revoked = await ctx.api().revokeToken({ params: { id }, query: made ? { made } : {} });
  ctx.say(`${goneWords(revoked.label, revoked.also_revoked)} good for nothing any more`);
  const left = leftWords(revoked.left, command);
  if (left !== undefined) ctx.say(left);
  return { json: revoked, ...tokenTable([revoked], ctx.clock.now()) };
}
