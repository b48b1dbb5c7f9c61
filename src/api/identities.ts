/** The contract's shapes of logins at providers that are linked to users. */
import * as z from "zod";
import { LOGIN_WAYS } from "./login-routes.ts";
import { withMade } from "./made.ts";
import { idParams, instant, page } from "./schemas.ts";

const provided = z.enum(LOGIN_WAYS).exclude(["token"]);

export const identity = z.object({
  id: z.string(),
  with: provided.nullable().describe("Null for a provider that this server no longer offers"),
  provider: z.string().describe("Who says so: the issuer, GitHub's address, or `aws`"),
  subject: z.string().describe("By which the provider knows them, and which it never gives to another"),
  name: z.string().nullable().describe("What the provider called them when it was linked; null if unknown"),
  user_id: z.string(),
  created_at: instant,
  made_by: z
    .string()
    .nullable()
    .describe("The id of the user who linked it; null for the first login itself"),
  made_with: z.string().nullable().describe("The id of the token with which it was linked"),
});
export type LinkedIdentity = z.infer<typeof identity>;
export const identityPage = page(identity);

export const unlinkedIdentity = identity.extend(withMade);
export type UnlinkedIdentity = z.infer<typeof unlinkedIdentity>;

export const linkResult = z.discriminatedUnion("state", [
  z.object({ state: z.literal("pending"), interval_s: z.int().describe("When to ask again") }),
  z.object({ state: z.literal("done"), identity }),
]);
export type LinkResult = z.infer<typeof linkResult>;

export const linkUserIdentity = z
  .strictObject({
    with: provided,
    subject: z
      .string()
      .min(1)
      .max(255)
      .regex(/^[!-~]+$/, "must be printable ASCII without spaces")
      .describe("OpenID Connect's `sub`, GitHub's number of the account, AWS's unique id"),
  })
  .refine((body) => body.with !== "github" || /^\d+$/.test(body.subject), {
    path: ["subject"],
    message: "must be the number of the account at GitHub: its name may be somebody else's one day",
  });
export type LinkUserIdentity = z.output<typeof linkUserIdentity>;

export const userIdentityParams = idParams.extend({ identity: idParams.shape.id });
