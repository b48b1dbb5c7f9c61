/** A token that the user has: typed without being shown, or piped in; never an argument, which others can see (C-21). */
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";

/** Throws UsageError for what can be no token. */
export async function askToken(ctx: Context, url: string): Promise<string> {
  const token = (ctx.interactive ? await ctx.prompts.secret(`Token for ${url}`) : await piped(ctx)).trim();
  if (/^[!-~]{1,4096}$/.test(token)) return token;
  throw new UsageError(
    token === "" ? "No token was given" : "What was given is no token: it has blanks or unusual characters",
    "Pipe it in: gpu-dev login URL < token.txt. The server's administrator has it.",
  );
}

function piped({ io }: Context): Promise<string> {
  if (!io.stdin.isTTY) return io.stdin.text();
  throw new UsageError(
    "The token cannot be asked for here",
    "Pipe it in: gpu-dev login URL < token.txt; or log in --with oidc, github or aws, as the server offers it.",
  );
}
