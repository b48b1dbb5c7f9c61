/** `gpu-dev token rotate`: a new token in place of one that has been in use for long. */
import type { Token } from "../../../api/accounts.ts";
import { Problem } from "../../../api/errors.ts";
import { defineCommand } from "../../command.ts";
import { allPages } from "../../http/all-pages.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import type { Output } from "../../output/output.ts";
import { secretOutput } from "../../output/token.ts";
import { findToken } from "../../people/find.ts";

export const command = defineCommand({
  arguments: [
    { name: "token", summary: "Its id, its first characters or its label (default: the one in use here)" },
  ],
  options: {},
  details:
    "Prints the new one alone on stdout, this once. It has the label, the scope and the length of life of the old one, which is good for 10 more minutes, so that nothing fails meanwhile; one of a login ends when that would have, and one that another token asks for with that. One that leaked is revoked instead.",
  examples: [
    {
      line: "GPU_DEV_TOKEN=$(cat ci.token) gpu-dev token rotate > new.token",
      meaning: "The machine's own, by itself: as long a life again",
    },
    { line: 'gpu-dev token rotate "ci runner"', meaning: "Prints the one to put in its place" },
    {
      line: "gpu-dev token rotate | gpu-dev login https://gpu.example.com",
      meaning: "Another token for this machine",
    },
  ],
  async run([word], _options, ctx): Promise<Output> {
    const { items: tokens } = await allPages((query) => ctx.api().listTokens({ query }));
    const { id, label } = word === undefined ? currentOf(tokens) : findToken(tokens, word);
    const issued = await ctx.api().rotateToken({ params: { id }, idempotencyKey: idempotencyKey() });
    ctx.say(`The old token ${label} is good for 10 more minutes.`);
    return secretOutput(ctx, issued);
  },
});

function currentOf(tokens: readonly Token[]): Token {
  const current = tokens.find((token) => token.current);
  if (current) return current;
  throw new Problem("not_found", "The token in use here is in no list", { hint: "Give its label." });
}
