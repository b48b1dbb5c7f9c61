/** A login at a provider, from its beginning to what comes of it: a token, or a link to a user. */
import type { Client } from "../../api/client.ts";
import type { LoginKind } from "../../api/login-routes.ts";
import type { SignedIdentity } from "../../api/logins.ts";
import type { Context } from "../context.ts";

/** What the server answers: that it goes on, or what came of it. */
export type Result = { readonly state: "pending"; readonly interval_s: number } | { readonly state: "done" };
export type Done<R extends Result> = Extract<R, { state: "done" }>;

/** Asks the server whether the provider knows by now who it is, or hands in what was signed. */
export type Finish<R extends Result> = (body: {
  readonly login: string;
  readonly aws?: SignedIdentity;
}) => Promise<R>;

/** All but a token, with which nothing has to be begun. */
export type Way = Exclude<LoginKind, "token">;

/** `url` is the server's. Throws RefusedRequest, CliError, UsageError. */
export async function carryOut<R extends Result>(
  ctx: Context,
  api: Client,
  url: string,
  way: Way,
  finish: Finish<R>,
): Promise<Done<R>> {
  const begun = await api.beginLogin({ body: { with: way } });
  return way === "aws"
    ? (await import("./aws.ts")).signIn(ctx, url, begun, finish)
    : (await import("./device.ts")).waitForPerson(ctx, begun, finish);
}
