/** The contract's shapes of teams and quotas. Null is "not limited". */
import * as z from "zod";
import { MAX_DURATION_S } from "./reservations.ts";
import { instant, name, page } from "./schemas.ts";

/** As users are named: not all by our rule. */
const userName = z.string().min(1).max(100);
const typeNames = z.array(z.string().min(1).max(63)).min(1).max(100);

export const team = z.object({
  id: z.string(),
  name: z.string(),
  members: z.array(z.string()).describe("The names of its users, sorted"),
  created_at: instant,
});
export type Team = z.infer<typeof team>;

export const createTeam = z.strictObject({ name });
export const addMember = z.strictObject({ user: userName });
/** What cannot be a name names nothing. */
const inPath = z
  .string()
  .max(100)
  .regex(/^[^\p{C}]+$/u);
export const teamParams = z.strictObject({ team: inPath });
export const memberParams = z.strictObject({ team: inPath, user: inPath });

export const quota = z.object({
  kind: z.enum(["default", "user", "team"]).describe("default: for every user who has none of their own"),
  name: z.string().nullable().describe("Of the user or the team"),
  gpus: z.int().nullable().describe("GPUs at once; a slice counts as one"),
  gpu_seconds: z.int().nullable().describe("GPUs times seconds, within any 7 days"),
  max_duration_s: z.int().nullable().describe("The longest reservation, with all extensions"),
  gpu_types: z.array(z.string()).nullable().describe("Only these"),
});
export type Quota = z.infer<typeof quota>;

export const setQuota = z
  .strictObject({
    default: z.literal(true).optional(),
    user: userName.optional(),
    team: name.optional(),
    gpus: z.int().min(0).max(1_000_000).nullable().optional(),
    gpu_seconds: z.int().min(0).max(1e12).nullable().optional(),
    max_duration_s: z.int().min(60).max(MAX_DURATION_S).nullable().optional(),
    gpu_types: typeNames.nullable().optional(),
  })
  .refine(
    (q) => [q.default, q.user, q.team].filter((whose) => whose !== undefined).length === 1,
    "give default, user or team, one of them",
  )
  .refine(
    (q) => [q.gpus, q.gpu_seconds, q.max_duration_s, q.gpu_types].some((value) => value !== undefined),
    "give at least one limit; null takes it away",
  );
export type SetQuota = z.infer<typeof setQuota>;

/** One limit that holds for the caller. */
export const ownLimit = z.object({
  whose: z.string().describe('Whose quota it is: "user ann", "team vision"'),
  limit: z.enum(["gpus", "gpu_seconds", "max_duration_s", "gpu_types"]),
  most: z.int().nullable().describe("Null for gpu_types"),
  used: z
    .int()
    .nullable()
    .describe("Of gpus and gpu_seconds: by all whose quota it is, planned times of what is live included"),
  room_at: instant
    .nullable()
    .describe("When there is room again; null while there is, and when nobody can tell"),
  gpu_types: z.array(z.string()).nullable(),
});
export type OwnLimit = z.infer<typeof ownLimit>;

export const teamPage = page(team);
export const quotaPage = page(quota);
export const ownLimitPage = page(ownLimit);
