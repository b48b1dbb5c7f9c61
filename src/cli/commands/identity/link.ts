/** `gpu-dev identity link`: a login at a provider that leads to the caller from now on. */
import { LOGIN_WAYS } from "../../../api/login-routes.ts";
import { defineCommand } from "../../command.ts";
import type { Context } from "../../context.ts";
import { UsageError } from "../../errors.ts";
import { carryOut, type Way } from "../../login/carry-out.ts";
import { offered } from "../../login/obtain.ts";
import { choice } from "../../options.ts";
import { identityTable } from "../../output/identity.ts";
import type { Output } from "../../output/output.ts";

const WAYS = LOGIN_WAYS.filter((way) => way !== "token");

export const command = defineCommand({
  options: {
    with: choice("--with <HOW>", "Which login (default: the only one that the server offers)", WAYS),
  },
  details:
    "You are logged in by a token, and show once that a login at a provider is yours, too: by entering a code in any browser, or by a request that is signed with your credentials of AWS. From then on that login leads to you, whatever the provider calls you. It stays until it is unlinked, or until the token with which it was linked is revoked. One that leads to somebody else is refused.",
  examples: [
    { line: "gpu-dev identity link", meaning: "Shows a code; then `gpu-dev login` works without a token" },
    { line: "gpu-dev identity link --with github", meaning: "Your account at GitHub, too" },
  ],
  async run(_args, { with: wanted }, ctx): Promise<Output> {
    const api = ctx.api();
    const way = wanted ?? (await choose(ctx));
    const { identity } = await carryOut(ctx, api, ctx.endpoint().url, way, (body) =>
      api.linkIdentity({ body }),
    );
    ctx.say(`${identity.name ?? identity.subject} at ${identity.provider} leads to you from now on`);
    return { json: identity, ...identityTable([identity], ctx.clock.now()) };
  },
});

async function choose(ctx: Context): Promise<Way> {
  const ways = (await offered(ctx.api())).flatMap(({ with: kind, title }) =>
    kind === "token" ? [] : [{ name: `with ${title}`, value: kind }],
  );
  const [first, ...others] = ways;
  if (!first) throw new UsageError("This server offers no login but by a token", "There is nothing to link.");
  if (others.length === 0) return first.value;
  if (ctx.interactive) return ctx.prompts.select("Which login is yours, too?", ways);
  throw new UsageError(
    "--with is missing",
    `The server offers ${ways.map(({ value }) => value).join(", ")}.`,
  );
}
