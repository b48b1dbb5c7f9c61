/** `gpu-dev admin tokens`: the tokens of a user. */
import type { User } from "../../../api/accounts.ts";
import { defineCommand, type Values } from "../../command.ts";
import type { Context } from "../../context.ts";
import { UsageError } from "../../errors.ts";
import { allPages } from "../../http/all-pages.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { choice, flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { secretOutput, tokenTable } from "../../output/token.ts";
import { findAnyToken, findUser } from "../../people/find.ts";
import { expiresOption, madeOf, madeOptions } from "../../people/options.ts";
import { agreeToRevoke, revoke } from "../token/revoke.ts";

const ACTIONS = ["list", "create", "revoke"] as const;
/** One for a single reservation is only its user's to make. */
const SCOPES = ["user", "admin", "metrics"] as const;
const options = {
  scope: choice("--scope <SCOPE>", "What it is good for (default: user)", SCOPES),
  expires: expiresOption,
  ...madeOptions,
  yes: flag("-y, --yes", "Do not ask"),
};

export const command = defineCommand({
  arguments: [
    { name: "action", summary: "list, create or revoke", required: true, completes: ACTIONS },
    { name: "user", summary: "The user's name", required: true },
    { name: "token", summary: "create: its label; revoke: its id, its first characters or its label" },
  ],
  options,
  details:
    "What is created is printed alone on stdout, this once; it is for a user who has lost theirs, or for a machine. What is revoked is good for nothing within 5 seconds, tunnels included, and so is what was made with it for the same user; --with-others ends also what was made with it for others, --keep-made nothing else. On a terminal it says how much goes and asks first, unless --yes says so; --with-others needs --yes where nobody can be asked. --scope and --expires go with create. For administrators.",
  examples: [
    {
      line: "gpu-dev admin tokens list ann",
      meaning: "What ann can come in with, and when it was last used",
    },
    { line: 'gpu-dev admin tokens revoke ann "old laptop"', meaning: "Out at once" },
    {
      line: "gpu-dev admin tokens revoke ann gd_Zx81qA --with-others --yes",
      meaning: "By its first characters; it was stolen, and ann is an administrator",
    },
    { line: "gpu-dev admin tokens create ann laptop --expires 30d", meaning: "For ann, who has lost hers" },
    {
      line: "gpu-dev admin tokens create ann admin --scope admin",
      meaning: "For ann, who was made an administrator",
    },
  ],
  async run([action = "", name = "", word], given, ctx): Promise<Output> {
    const act = { list, create, revoke: revokeOne }[action];
    if (!act) throw new UsageError(`${JSON.stringify(action)} is none of ${ACTIONS.join(", ")}`);
    if (action !== "create" && (given.scope ?? given.expires) !== undefined)
      throw new UsageError("--scope and --expires go with create");
    if (action !== "revoke" && (given.keepMade || given.withOthers || given.yes))
      throw new UsageError("--keep-made, --with-others and --yes go with revoke");
    return await act(ctx, await findUser(ctx.api(), name), word, given);
  },
});

type Given = Values<typeof options>;

const listOf = (ctx: Context, { id }: User, state: "live" | "all") =>
  allPages((query) => ctx.api().listUserTokens({ params: { id }, query: { ...query, state } }));

async function list(ctx: Context, user: User): Promise<Output> {
  const page = await listOf(ctx, user, "live");
  return { json: page, ...tokenTable(page.items, ctx.clock.now()), empty: `${user.name} has no live token.` };
}

async function create(
  ctx: Context,
  user: User,
  label: string | undefined,
  { scope, expires }: Given,
): Promise<Output> {
  if (label === undefined) throw new UsageError("missing required argument 'token': its label");
  const issued = await ctx.api().createUserToken({
    params: { id: user.id },
    body: {
      label,
      ...(scope === undefined ? {} : { scope }),
      ...(expires === undefined ? {} : { expires_in_s: expires }),
    },
    idempotencyKey: idempotencyKey(),
  });
  return secretOutput(ctx, issued);
}

async function revokeOne(
  ctx: Context,
  user: User,
  word: string | undefined,
  { yes, ...given }: Given,
): Promise<Output> {
  if (word === undefined) throw new UsageError("missing required argument 'token': which one");
  const made = madeOf(given);
  const { id } = await findAnyToken((state) => listOf(ctx, user, state), word);
  await agreeToRevoke(ctx, id, made, { yes, owner: user.name });
  return await revoke(ctx, id, made, `gpu-dev admin tokens revoke ${user.name} ${id}`);
}
