/** `gpu-dev admin users`: who may use the server, and as what. */
import type { PatchUser, User } from "../../../api/accounts.ts";
import { userNameFault } from "../../../api/names.ts";
import { defineCommand, type Values } from "../../command.ts";
import type { Context } from "../../context.ts";
import { Declined, UsageError } from "../../errors.ts";
import { allPages } from "../../http/all-pages.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { choice, flag } from "../../options.ts";
import { toned } from "../../output/cell.ts";
import type { Cell, Output } from "../../output/output.ts";
import { ago } from "../../output/time.ts";
import { secretOutput } from "../../output/token.ts";
import { findUser } from "../../people/find.ts";
import { expiresOption } from "../../people/options.ts";

const ACTIONS = ["list", "create", "show", "disable", "enable", "role"] as const;
const ROLES = ["user", "admin"] as const;
const options = {
  role: choice("--role <ROLE>", "With create (default: user)", ROLES),
  expires: expiresOption,
  cancel: flag("--cancel", "With disable: end their reservations, too"),
  yes: flag("-y, --yes", "Do not ask"),
};
type Given = Values<typeof options>;

export const command = defineCommand({
  arguments: [
    { name: "action", summary: `${ACTIONS.join(", ")} (default: list)`, completes: ACTIONS },
    { name: "user", summary: "The user's name" },
    { name: "role", summary: "With role: user or admin", completes: ROLES },
  ],
  options,
  details:
    "create prints the user's first token alone on stdout, this once (--expires is for that). A disabled user's tokens are good for nothing within 5 seconds, tunnels included; what they have reserved goes on to its end, unless --cancel ends it. The last administrator can neither be disabled nor made a user. For administrators.",
  examples: [
    { line: "gpu-dev admin users", meaning: "All users, and when each was last seen" },
    {
      line: "(umask 077; gpu-dev admin users create ann > ann.token)",
      meaning: "Adds ann; she logs in with that token",
    },
    {
      line: "gpu-dev admin users create ben --role admin --expires 7d > ben.token",
      meaning: "Another administrator, whose first token is good for a week",
    },
    {
      line: "gpu-dev admin users show ann",
      meaning: "What she has that is live, and when she was last seen",
    },
    { line: "gpu-dev admin users disable ann --cancel", meaning: "Out at once, and her GPUs are free" },
    { line: "gpu-dev admin users enable ann", meaning: "Her tokens and keys are good again" },
    { line: "gpu-dev admin users role ann admin", meaning: "Ann, too, may do this; with a new token" },
  ],
  async run([action = "list", name, role], given, ctx): Promise<Output> {
    checkOptions(action, given);
    if (action === "list") return await list(ctx);
    const act = { create, show, disable, enable, role: changeRole }[action];
    if (!act) throw new UsageError(`${JSON.stringify(action)} is none of ${ACTIONS.join(", ")}`);
    if (name === undefined) throw new UsageError("missing required argument 'user': a name");
    return await act(ctx, name, given, role);
  },
});

function checkOptions(action: string, { role, expires, cancel }: Given): void {
  if (action !== "create" && (role ?? expires) !== undefined)
    throw new UsageError("--role and --expires go with create");
  if (action !== "disable" && cancel) throw new UsageError("--cancel goes with disable");
}

async function list(ctx: Context): Promise<Output> {
  const page = await allPages((query) => ctx.api().listUsers({ query }));
  return { json: page, ...userTable(page.items, ctx.clock.now()) };
}

async function create(ctx: Context, name: string, { role, expires }: Given): Promise<Output> {
  const fault = userNameFault(name);
  if (fault !== undefined) throw new UsageError(`${JSON.stringify(name)} cannot be a user's name: ${fault}`);
  const created = await ctx.api().createUser({
    body: {
      name,
      ...(role === undefined ? {} : { role }),
      ...(expires === undefined ? {} : { token_expires_in_s: expires }),
    },
    idempotencyKey: idempotencyKey(),
  });
  ctx.say(`Added ${name}, a${created.user.role === "admin" ? "n administrator" : " user"}.`);
  return secretOutput(ctx, created.token, created);
}

const show = async (ctx: Context, name: string): Promise<Output> => one(ctx, await findUser(ctx.api(), name));

async function disable(ctx: Context, name: string, { cancel, yes }: Given): Promise<Output> {
  const user = await findUser(ctx.api(), name);
  const live = user.live_reservations;
  const question = `Disable ${user.name} and end ${live === 1 ? "a reservation" : `${live} reservations`}?`;
  const ask = cancel && live > 0 && !yes && ctx.interactive;
  if (ask && !(await ctx.prompts.confirm(question))) throw new Declined();
  return await patch(ctx, user, { disabled: true, ...(cancel ? { cancel } : {}) });
}

const enable = async (ctx: Context, name: string): Promise<Output> =>
  patch(ctx, await findUser(ctx.api(), name), { disabled: false });

async function changeRole(ctx: Context, name: string, _given: Given, role?: string): Promise<Output> {
  if (role !== "user" && role !== "admin") throw new UsageError("give the role: user or admin");
  const user = await findUser(ctx.api(), name);
  if (role === "admin" && user.role !== "admin")
    ctx.say(
      `Tokens that ${name} has are a user's; \`gpu-dev admin tokens create ${name} LABEL --scope admin\`. Logins at providers give the new rights: \`gpu-dev admin identities list ${name}\`.`,
    );
  return await patch(ctx, user, { role });
}

const patch = async (ctx: Context, { id }: User, body: PatchUser): Promise<Output> =>
  one(ctx, await ctx.api().patchUser({ params: { id }, body }));

const one = (ctx: Context, user: User): Output => ({ json: user, ...userTable([user], ctx.clock.now()) });

const userTable = (items: readonly User[], now: Date): Pick<Output, "header" | "spare" | "rows"> => ({
  header: ["NAME", "ROLE", "STATE", "RESERVATIONS", "TOKENS", "LAST SEEN", "CREATED", "ID"],
  spare: ["ID", "CREATED", "TOKENS"],
  rows: items.map((user) => row(user, now)),
});

const row = (user: User, now: Date): Cell[] => [
  user.name,
  user.role,
  user.disabled_at === null ? toned("enabled", "good") : toned("disabled", "bad"),
  String(user.live_reservations),
  String(user.live_tokens),
  user.last_used_at === null ? { text: "never", value: "" } : ago(user.last_used_at, now),
  ago(user.created_at, now),
  user.id,
];
