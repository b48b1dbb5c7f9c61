/** A login by an identity of AWS: a request that says who signed it, good for this server and once. */
import aws4 from "aws4";
import { boundTo, CALLER_IDENTITY } from "../../api/aws-identity.ts";
import type { Login, SignedIdentity } from "../../api/logins.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { type AwsCredentials, findCredentials } from "./aws-credentials.ts";
import type { Done, Finish, Result } from "./carry-out.ts";

/** Throws UsageError for a server that says it is another one, CliError without credentials, RefusedRequest. */
export async function signIn<R extends Result>(
  ctx: Context,
  url: string,
  { login, aws }: Login,
  finish: Finish<R>,
): Promise<Done<R>> {
  if (!aws) throw new Error("a login with aws has nothing to sign");
  // What is signed for this address must be worth nothing at another one.
  if (aws.server_url !== url)
    throw new UsageError(
      `The server at ${url} calls itself ${aws.server_url}, and you would sign for that`,
      `If that is right: gpu-dev login ${aws.server_url} --with aws`,
    );
  const signed = sign({ ...aws, login }, await findCredentials(ctx), ctx.clock.now());
  const result = await finish({ login, aws: signed });
  if (result.state === "done") return result as Done<R>;
  throw new Error("the server does not know yet who signed");
}

interface Asked {
  readonly sts_url: string;
  readonly region: string;
  readonly server_url: string;
  readonly login: string;
}

function sign(
  { sts_url, region, server_url, login }: Asked,
  credentials: AwsCredentials,
  now: Date,
): SignedIdentity {
  const date = now.toISOString().replace(/[:-]|\.\d{3}/g, "");
  const { path = "" } = aws4.sign(
    {
      service: "sts",
      region,
      host: new URL(sts_url).host,
      path: `/?${new URLSearchParams({ ...CALLER_IDENTITY, "X-Amz-Date": date })}`,
      headers: boundTo(server_url, login),
      signQuery: true,
    },
    credentials,
  );
  const { searchParams: made } = new URL(path, sts_url);
  return {
    credential: made.get("X-Amz-Credential") ?? "",
    date,
    ...(credentials.sessionToken === undefined ? {} : { security_token: credentials.sessionToken }),
    signature: made.get("X-Amz-Signature") ?? "",
  };
}
