/** Which limits hold for a user: his own, where he has none of a kind the default's, and those that his team shares. */
import type { QuotaRow } from "../../store/quota-tables.ts";
import { quotasFor } from "../../store/quotas.ts";
import type { Db } from "../../store/tables.ts";
import { membersOf, teamOf } from "../../store/teams.ts";
import { userNames } from "../../store/users.ts";

/** Null is "not limited". */
export interface Limits {
  /** As it is told: "user ann", "team vision". */
  readonly whose: string;
  /** Whose reservations count together. */
  readonly owners: readonly string[];
  readonly gpus: number | null;
  readonly gpuSeconds: number | null;
  readonly maxDurationS: number | null;
  readonly gpuTypes: readonly string[] | null;
}

/** At most two, all of which hold: the user's, and his team's. */
export async function limitsOf(db: Db, userId: string): Promise<Limits[]> {
  const rows = await quotasFor(db, userId);
  const [own, standard, shared] = (["user", "default", "team"] as const).map((kind) =>
    rows.find((row) => row.kind === kind),
  );
  return [
    ...(own || standard ? [await limitsOfUser(db, userId, own, standard)] : []),
    ...(shared ? [await limitsOfTeam(db, userId, shared)] : []),
  ];
}

async function limitsOfUser(
  db: Db,
  userId: string,
  own: QuotaRow | undefined,
  standard: QuotaRow | undefined,
): Promise<Limits> {
  const name = (await userNames(db, [userId])).get(userId) ?? userId;
  const value = <K extends keyof QuotaRow>(key: K) => own?.[key] ?? standard?.[key] ?? null;
  return {
    whose: `user ${name}`,
    owners: [userId],
    gpus: value("gpus"),
    gpuSeconds: value("gpu_seconds"),
    maxDurationS: value("max_duration_s"),
    gpuTypes: typesOf(value("gpu_types")),
  };
}

async function limitsOfTeam(db: Db, userId: string, row: QuotaRow): Promise<Limits> {
  const members = await membersOf(db, [row.subject]);
  return {
    whose: `team ${(await teamOf(db, userId))?.name ?? row.subject}`,
    owners: members.map((member) => member.user_id),
    gpus: row.gpus,
    gpuSeconds: row.gpu_seconds,
    maxDurationS: row.max_duration_s,
    gpuTypes: typesOf(row.gpu_types),
  };
}

/** The names in a stored list; throws for a row that holds something else. */
export function typesOf(stored: string | null): string[] | null {
  if (stored === null) return null;
  const names: unknown = JSON.parse(stored);
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string"))
    throw new Error("quotas: the column gpu_types holds no list of names");
  return names;
}
