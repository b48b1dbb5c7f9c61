/** Teams and who is in them: a user is in one at most. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type MemberRow, memberShape, type TeamRow, teamShape } from "./quota-tables.ts";
import type { Db } from "./tables.ts";

const checkedTeam = (row: object): TeamRow => checkRow("teams", teamShape, row);
const checkedMember = (row: object): MemberRow => checkRow("team_members", memberShape, row);

/** By name. */
export async function listTeams(db: Db): Promise<TeamRow[]> {
  return (await db.selectFrom("teams").selectAll().orderBy("name").execute()).map(checkedTeam);
}

export async function findTeamByName(db: Db, name: string): Promise<TeamRow | undefined> {
  const row = await db.selectFrom("teams").selectAll().where("name", "=", name).executeTakeFirst();
  return row && checkedTeam(row);
}

/** The team that a user is in. */
export async function teamOf(db: Db, userId: string): Promise<TeamRow | undefined> {
  const row = await db
    .selectFrom("team_members as m")
    .innerJoin("teams as t", "t.id", "m.team_id")
    .selectAll("t")
    .where("m.user_id", "=", userId)
    .executeTakeFirst();
  return row && checkedTeam(row);
}

/** Undefined when the name is taken. */
export async function insertTeam(tx: Tx, row: TeamRow): Promise<TeamRow | undefined> {
  const made = await tx.db
    .insertInto("teams")
    .values(row)
    .onConflict((oc) => oc.column("name").doNothing())
    .returningAll()
    .executeTakeFirst();
  return made && checkedTeam(made);
}

/** With who is in it. */
export async function deleteTeam(tx: Tx, id: string): Promise<void> {
  await tx.db.deleteFrom("team_members").where("team_id", "=", id).execute();
  await tx.db.deleteFrom("teams").where("id", "=", id).execute();
}

/** All members of these teams. */
export async function membersOf(db: Db, teamIds: readonly string[]): Promise<MemberRow[]> {
  if (teamIds.length === 0) return [];
  const rows = await db.selectFrom("team_members").selectAll().where("team_id", "in", teamIds).execute();
  return rows.map(checkedMember);
}

/** Who was in another team is in this one from now on. */
export async function saveMember(tx: Tx, row: MemberRow): Promise<void> {
  const { user_id: _, ...values } = row;
  await tx.db
    .insertInto("team_members")
    .values(row)
    .onConflict((oc) => oc.column("user_id").doUpdateSet(values))
    .execute();
}

/** False for who is not in it. */
export async function deleteMember(tx: Tx, teamId: string, userId: string): Promise<boolean> {
  const { numDeletedRows } = await tx.db
    .deleteFrom("team_members")
    .where("user_id", "=", userId)
    .where("team_id", "=", teamId)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}
