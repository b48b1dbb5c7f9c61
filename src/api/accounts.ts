/** The contract's shapes of tokens and users. */
import * as z from "zod";
import { madeWith, withMade } from "./made.ts";
import { userNameFault } from "./names.ts";
import { idParams, instant, page, pageQuery } from "./schemas.ts";
import { SCOPES } from "./token-routes.ts";

const DAY_S = 86_400;
/** A token that is forgotten must come to its end by itself. */
export const TOKEN_TTL_S = { least: 60, usual: 90 * DAY_S, most: 366 * DAY_S } as const;

const token = z.object({
  id: z.string(),
  prefix: z.string().describe("How it begins, by which you know it again; empty for an old one"),
  label: z.string(),
  scope: z
    .enum(SCOPES)
    .describe(
      "What it is good for: all that its `user` may do, what an `admin` may do, `metrics` only, one `reservation` (show and cancel it), or that of a `pod`",
    ),
  reservation_id: z.string().nullable().describe("The only one that it is good for"),
  state: z.enum(["live", "expired", "revoked", "replaced"]),
  created_at: instant,
  expires_at: instant.nullable().describe("Null for a server's own and for a pod's, which end with these"),
  last_used_at: instant.nullable().describe("To the minute; null while it was not used"),
  rotated_at: instant.nullable().describe("When another was made in its place"),
  revoked_at: instant.nullable(),
  made_by: z.string().nullable().describe("The id of the user who made it; null for the server"),
  made_with: z
    .string()
    .nullable()
    .describe(
      "The id of the token that it was made with, or of the linked login; null for one of the server",
    ),
  current: z.boolean().describe("It is the one that asks"),
});
export type Token = z.infer<typeof token>;

export const issuedToken = token.extend({
  token: z.string().describe("The secret; it is told this once"),
});
export type IssuedToken = z.infer<typeof issuedToken>;

export const tokenDetails = token.extend({
  made: madeWith.describe("What was made with it, or with that in turn, and is good"),
});
export type TokenDetails = z.infer<typeof tokenDetails>;

export const revokedToken = token.extend(withMade);
export type RevokedToken = z.infer<typeof revokedToken>;

const label = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{C}]*$/u, "must not have control characters");
const expiresIn = z
  .int()
  .min(TOKEN_TTL_S.least)
  .max(TOKEN_TTL_S.most)
  .describe(
    "Seconds from now; default 90 days, or until the caller's own token ends: one that is no administrator's makes none that is good for longer",
  );

export const createToken = z
  .strictObject({
    label: label.describe("Words by which you know it again"),
    scope: z.enum(["user", "admin", "metrics", "reservation"]).optional().describe("Default: user"),
    reservation_id: idParams.shape.id.optional().describe("With the scope `reservation`: which one"),
    expires_in_s: expiresIn.optional(),
  })
  .refine(({ scope, reservation_id }) => (scope === "reservation") === (reservation_id !== undefined), {
    path: ["reservation_id"],
    message: "goes with the scope `reservation`, and that needs it",
  });
export type CreateToken = z.output<typeof createToken>;

export const listTokensQuery = pageQuery.extend({
  state: z.enum(["live", "all"]).optional().describe("Default: live"),
});
export const tokenPage = page(token);

/** A user's name by the rule of names.ts. */
const userName = z.string().superRefine((value, ctx) => {
  const fault = userNameFault(value);
  if (fault !== undefined) ctx.addIssue({ code: "custom", message: fault });
});
const role = z.enum(["user", "admin"]);

export const user = z.object({
  id: z.string(),
  name: z.string(),
  role,
  created_at: instant,
  disabled_at: instant.nullable().describe("Since when no token of theirs is good; null while they are"),
  live_reservations: z.int().describe("Their own that have not ended"),
  live_tokens: z.int().describe("Good for something now, those of pods included"),
  last_used_at: instant.nullable().describe("When a token of theirs was last used, to the minute"),
});
export type User = z.infer<typeof user>;

export const createUser = z.strictObject({
  name: userName,
  role: role.optional().describe("Default: user"),
  token_expires_in_s: expiresIn.optional().describe("Of the first token; default 90 days"),
});
export type CreateUser = z.output<typeof createUser>;
export const createdUser = z.object({ user, token: issuedToken });
export type CreatedUser = z.infer<typeof createdUser>;

export const patchUser = z
  .strictObject({
    role: role.optional(),
    disabled: z.boolean().optional(),
    cancel: z.boolean().optional().describe("With `disabled`: end their reservations as well"),
  })
  .refine(({ role, disabled }) => role !== undefined || disabled !== undefined, "give role or disabled")
  .refine(({ disabled, cancel }) => !cancel || disabled === true, {
    path: ["cancel"],
    message: "is only for a user who is disabled by the same request",
  });
export type PatchUser = z.output<typeof patchUser>;

export const listUsersQuery = pageQuery.extend({
  name: z.string().min(1).max(100).optional().describe("Only the one of this name"),
});
export const userPage = page(user);
