/**
 * Logins by an identity of AWS: the client signs a request that asks who it is, and the server sends it to the token service of its own
 * configuration and to no other. Its credentials stay where they are: a signature is all that comes.
 */
import * as z from "zod";
import { boundTo, signedQuery } from "../../api/aws-identity.ts";
import { Problem } from "../../api/errors.ts";
import type { SignedIdentity } from "../../api/logins.ts";
import type { Identity, SignedProvider } from "../../core/logins/providers.ts";
import type { AwsSettings } from "../config/logins.ts";
import type { Service } from "../outside/service.ts";
import { notAmongThem } from "./people.ts";

const ISSUER = "aws";

/** Of the clocks of client and server; AWS itself takes a minute. */
const MAX_SKEW_MS = 5 * 60_000;

export function createAws(settings: AwsSettings, { fetch }: Pick<Service, "fetch">): SignedProvider {
  const { title, region, server_url: serverUrl } = settings;
  const stsUrl = settings.sts_url ?? `https://sts.${region}.amazonaws.com`;
  return {
    kind: "aws",
    issuer: ISSUER,
    title,
    stsUrl,
    region,
    serverUrl,
    async verify(signed, login, now) {
      checkDate(signed, now);
      const headers = { accept: "application/json", ...boundTo(serverUrl, login) };
      return identityOf(
        settings,
        await callerOf(title, await fetch(`${stsUrl}/?${signedQuery(signed)}`, { headers })),
      );
    },
  };
}

/** Throws Problem not_allowed. */
function checkDate({ date }: SignedIdentity, now: Date): void {
  const signedAt = Date.parse(
    date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
  if (Math.abs(now.getTime() - signedAt) <= MAX_SKEW_MS) return;
  throw new Problem("not_allowed", `the request was signed at ${date}, and here it is ${now.toISOString()}`, {
    hint: "set the clock of your machine",
  });
}

const answer = z.object({
  GetCallerIdentityResponse: z.object({
    GetCallerIdentityResult: z.object({ Arn: z.string(), UserId: z.string(), Account: z.string() }),
  }),
});
type Answered = z.output<typeof answer>["GetCallerIdentityResponse"]["GetCallerIdentityResult"];
const refusal = z.object({ Error: z.object({ Code: z.string(), Message: z.string().optional() }) });

/** Whom AWS takes the signer for. Throws Problem not_allowed and unavailable. */
async function callerOf(title: string, response: Response): Promise<Answered> {
  const body: unknown = await response.json().catch(() => undefined);
  const known = answer.safeParse(body);
  if (response.status === 200 && known.success)
    return known.data.GetCallerIdentityResponse.GetCallerIdentityResult;
  const refused = refusal.safeParse(body);
  if (refused.success)
    throw new Problem("not_allowed", `${title} does not take the signature: ${refused.data.Error.Code}`, {
      hint: "are the credentials of AWS on your machine still good?",
    });
  throw new Problem("unavailable", `the token service of ${title} answers with something else than its API`);
}

/** Throws Problem not_allowed. */
function identityOf({ title, allow, admins, name_from }: AwsSettings, { Arn, UserId }: Answered): Identity {
  const { role, session } = partsOf(Arn);
  const isAmong = (patterns: readonly string[] = []) => patterns.some((pattern) => matches(pattern, role));
  const bySession = name_from === "session" && session !== undefined;
  const known = {
    provider: ISSUER,
    // Of a role "AROA…:session"; another role that is made under the same name has another one.
    subject: bySession ? UserId : (UserId.split(":")[0] ?? UserId),
    name: (bySession ? session : role.slice(role.lastIndexOf("/") + 1)).toLowerCase(),
  };
  const isAdmin = isAmong(admins);
  if (!isAdmin && !isAmong(allow)) throw notAmongThem(title, known, Arn);
  const shared = session !== undefined && !bySession;
  return { ...known, shared, role: admins === undefined ? undefined : isAdmin ? "admin" : "user" };
}

/** Who has assumed a role is known by the role, which has no path then; a user of IAM by itself, without its path. */
function partsOf(arn: string): { role: string; session?: string } {
  const assumed = /^(arn:[a-z-]+):sts::(\d{12}):assumed-role\/([^/]+)\/(.+)$/.exec(arn);
  if (assumed)
    return { role: `${assumed[1]}:iam::${assumed[2]}:role/${assumed[3]}`, session: assumed[4] ?? "" };
  return { role: arn.replace(/:user\/.*\//, ":user/") };
}

/** `*` stands for letters of the name. */
function matches(pattern: string, arn: string): boolean {
  const literal = pattern.split("*").map((part) => part.replace(/[^\w]/g, "\\$&"));
  return new RegExp(`^${literal.join("[^:/]*")}$`).test(arn);
}
