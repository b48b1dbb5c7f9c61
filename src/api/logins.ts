/** The contract's shapes of logging in: the ways that a server offers, and one login from its beginning to its token. */
import * as z from "zod";
import { LOGIN_WAYS } from "./login-routes.ts";
import { instant, me, page } from "./schemas.ts";

/** All but the token, with which nothing has to be begun. */
const begun = z.enum(LOGIN_WAYS).exclude(["token"]);

const loginWay = z.object({
  with: z.enum(LOGIN_WAYS),
  title: z.string().describe("For people: what they know it by"),
});
export const loginWayPage = page(loginWay);
export type LoginWay = z.infer<typeof loginWay>;

export const beginLogin = z.strictObject({ with: begun });

export const login = z.object({
  with: begun,
  login: z.string().describe("A secret that names this login; it is good once"),
  expires_at: instant,
  device: z
    .object({
      verification_uri: z.string().describe("Where the person enters the code"),
      verification_uri_complete: z.string().nullable().describe("The same with the code in it"),
      user_code: z.string(),
      interval_s: z.int().describe("How often `finish` may be asked"),
    })
    .nullable()
    .describe("Of `oidc` and `github`"),
  aws: z
    .object({
      sts_url: z.string().describe("For which the request is signed; the server sends it nowhere else"),
      region: z.string(),
      server_url: z.string().describe("What has to be in the signed header `x-gpu-dev-server`"),
    })
    .nullable()
    .describe("Of `aws`"),
});
export type Login = z.infer<typeof login>;

/** What is signed and cannot be guessed; all else of the request is known to both sides (aws-login.ts). */
const signedIdentity = z.strictObject({
  credential: z.string().regex(/^[A-Z0-9]{16,128}\/\d{8}\/[a-z0-9-]{1,40}\/sts\/aws4_request$/),
  date: z.string().regex(/^\d{8}T\d{6}Z$/),
  security_token: z
    .string()
    .min(1)
    .max(8192)
    .regex(/^[A-Za-z0-9+/=_-]+$/)
    .optional(),
  signature: z.string().regex(/^[0-9a-f]{64}$/),
});
export type SignedIdentity = z.infer<typeof signedIdentity>;

export const finishLogin = z.strictObject({
  login: z.string().min(1).max(200),
  aws: signedIdentity.optional(),
});

export const loginResult = z.discriminatedUnion("state", [
  z.object({ state: z.literal("pending"), interval_s: z.int().describe("When to ask again") }),
  z.object({
    state: z.literal("done"),
    token: z.string().describe("Shown this once"),
    expires_at: instant.describe("Until when the token is good"),
    user: me,
  }),
]);
export type LoginResult = z.infer<typeof loginResult>;
