/** `gpu-dev admin identities`: the logins at providers that lead to a user. */
import type { User } from "../../../api/accounts.ts";
import { LOGIN_WAYS } from "../../../api/login-routes.ts";
import { defineCommand, type Values } from "../../command.ts";
import type { Context } from "../../context.ts";
import { UsageError } from "../../errors.ts";
import { flag } from "../../options.ts";
import { identityTable, sayUnlinked } from "../../output/identity.ts";
import type { Output } from "../../output/output.ts";
import { findUser } from "../../people/find.ts";
import { agreeToUnlink, findIdentity } from "../../people/identities.ts";
import { withOthersOption } from "../../people/options.ts";

const ACTIONS = ["list", "link", "unlink"] as const;
const WAYS = LOGIN_WAYS.filter((way) => way !== "token");

const options = { withOthers: withOthersOption, yes: flag("-y, --yes", "Do not ask") };

export const command = defineCommand({
  arguments: [
    { name: "action", summary: ACTIONS.join(", "), required: true, completes: ACTIONS },
    { name: "user", summary: "The user's name", required: true },
    { name: "login", summary: "link: WITH:SUBJECT, such as oidc:248289; unlink: its id or subject" },
  ],
  options,
  details:
    "A login is linked by what the provider never gives to another: the `sub` of OpenID Connect, the number of an account at GitHub, the unique id of AWS; names and addresses are nobody's for ever. `gpu-dev admin audit --action login.refuse` has it of those that were refused. Better, users link theirs: gpu-dev identity link. What is unlinked ends the tokens that came of it, and what was made with them for the same user; with --with-others for others, too. On a terminal it asks first, unless --yes says so; --with-others needs --yes where nobody can be asked. For administrators.",
  examples: [
    {
      line: "gpu-dev admin identities list ann",
      meaning: "By which logins ann gets in, and who linked them",
    },
    { line: "gpu-dev admin identities link ann github:583231", meaning: "That account is ann from now on" },
    { line: "gpu-dev admin identities unlink ann github:583231", meaning: "It leads to nobody any more" },
  ],
  async run([action = "", name = "", word], given, ctx): Promise<Output> {
    const act = { list, link, unlink }[action];
    if (!act) throw new UsageError(`${JSON.stringify(action)} is none of ${ACTIONS.join(", ")}`);
    if (action !== "unlink" && (given.withOthers || given.yes))
      throw new UsageError("--with-others and --yes go with unlink");
    return await act(ctx, await findUser(ctx.api(), name), word, given);
  },
});

const listOf = (ctx: Context, { id }: User) => ctx.api().listUserIdentities({ params: { id } });

async function list(ctx: Context, user: User): Promise<Output> {
  const page = await listOf(ctx, user);
  const empty = `No login at a provider leads to ${user.name}.`;
  return { json: page, ...identityTable(page.items, ctx.clock.now()), empty };
}

async function link(ctx: Context, { id, name }: User, word: string | undefined): Promise<Output> {
  const [, given = "", subject = ""] = /^(\w+):(.+)$/.exec(word ?? "") ?? [];
  const way = WAYS.find((each) => each === given);
  if (way === undefined)
    throw new UsageError(
      "give the login as WITH:SUBJECT",
      `Such as ${WAYS.map((each) => `${each}:…`).join(", ")}.`,
    );
  const linked = await ctx.api().linkUserIdentity({ params: { id }, body: { with: way, subject } });
  ctx.say(`${subject} at ${linked.provider} leads to ${name} from now on`);
  return { json: linked, ...identityTable([linked], ctx.clock.now()) };
}

async function unlink(
  ctx: Context,
  user: User,
  word: string | undefined,
  { withOthers, yes }: Values<typeof options>,
): Promise<Output> {
  if (word === undefined) throw new UsageError("missing required argument 'login': which one");
  const { items } = await listOf(ctx, user);
  const found = findIdentity(items, word.replace(/^(?:oidc|github|aws):/, ""));
  const { id: identity, name, subject, provider } = found;
  await agreeToUnlink(ctx, `${name ?? subject} of ${user.name} at ${provider}`, { withOthers, yes });
  const query = withOthers ? { made: "all" as const } : {};
  const gone = await ctx.api().unlinkUserIdentity({ params: { id: user.id, identity }, query });
  sayUnlinked(ctx, gone);
  return { json: gone, ...identityTable([gone], ctx.clock.now()) };
}
