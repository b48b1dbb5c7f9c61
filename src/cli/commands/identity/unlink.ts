/** `gpu-dev identity unlink`: a login at a provider leads to the caller no more. */
import { defineCommand } from "../../command.ts";
import { flag } from "../../options.ts";
import { identityTable, sayUnlinked } from "../../output/identity.ts";
import type { Output } from "../../output/output.ts";
import { agreeToUnlink, findIdentity } from "../../people/identities.ts";
import { withOthersOption } from "../../people/options.ts";

export const command = defineCommand({
  arguments: [
    {
      name: "identity",
      summary: "Its id or subject, or oidc, github, aws or the name there when only one has it",
      required: true,
    },
  ],
  options: { withOthers: withOthersOption, yes: flag("-y, --yes", "Do not ask") },
  details:
    "The tokens that came of it are good for nothing within 5 seconds, and what was made with them for the same user; --with-others ends also what was made with them for others, for when somebody else had that login. On a terminal it asks first, unless --yes says so; --with-others needs --yes where nobody can be asked. Keep a token, or another login, to get in.",
  examples: [
    { line: "gpu-dev identity unlink github", meaning: "Your account at GitHub is nobody here any more" },
  ],
  async run([word = ""], { withOthers, yes }, ctx): Promise<Output> {
    const { id, name, subject, provider } = findIdentity((await ctx.api().listIdentities({})).items, word);
    await agreeToUnlink(ctx, `${name ?? subject} at ${provider}`, { withOthers, yes });
    const query = withOthers ? { made: "all" as const } : {};
    const gone = await ctx.api().unlinkIdentity({ params: { id }, query });
    sayUnlinked(ctx, gone);
    return { json: gone, ...identityTable([gone], ctx.clock.now()) };
  },
});
