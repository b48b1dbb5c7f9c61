/** Teams: users who share quotas. A user is in one team at most. The routes are for administrators. */
import { Problem } from "../api/errors.ts";
import type { Team } from "../api/quotas.ts";
import type { Page } from "../api/schemas.ts";
import type { UserRow } from "../store/account-tables.ts";
import type { Tx } from "../store/db.ts";
import type { TeamRow } from "../store/quota-tables.ts";
import { deleteQuota } from "../store/quotas.ts";
import type { Db } from "../store/tables.ts";
import * as teams from "../store/teams.ts";
import { findUserByName, userNames } from "../store/users.ts";
import { record } from "./audit/record.ts";
import type { Core } from "./core.ts";
import { type PageQuery, pageOfNamed } from "./cursor.ts";
import { type Answer, answerOnce, type Idempotency } from "./idempotency.ts";
import { newId } from "./ids.ts";
import type { Caller } from "./people/access.ts";
import { unknownUser } from "./people/find-user.ts";
import { decided } from "./race.ts";

/** By name. */
export async function listTeams(core: Core, query: PageQuery = {}): Promise<Page<Team>> {
  const all = await core.store.read(async (db) => viewTeams(db, await teams.listTeams(db)));
  return pageOfNamed(all, query, "teams", (team) => team.name);
}

/** Throws Problem name_taken, idempotency_mismatch. */
export function createTeam(
  core: Core,
  caller: Caller,
  name: string,
  idempotency: Idempotency | undefined,
): Promise<Answer<Team>> {
  return decided(() =>
    core.store.write((tx) =>
      answerOnce(tx, caller, idempotency, async () => {
        const made = await teams.insertTeam(tx, { id: newId(), name, created_at: tx.at });
        if (!made) throw new Problem("name_taken", `there is a team ${name} already`);
        await record(tx, caller.id, "team.create", name);
        return viewTeam(tx.db, made);
      }),
    ),
  );
}

/** Its quota goes with it; its members are in no team. Throws Problem not_found. */
export function deleteTeam(core: Core, caller: Caller, name: string): Promise<Team> {
  return changeTeam(core, name, async (tx, team) => {
    const gone = await viewTeam(tx.db, team);
    await deleteQuota(tx, "team", team.id);
    await teams.deleteTeam(tx, team.id);
    await record(tx, caller.id, "team.delete", name, gone.members.join(", ") || null);
    return gone;
  });
}

/** From another team, if the user was in one; doing it again does nothing. Throws Problem not_found. */
export function addMember(core: Core, caller: Caller, name: string, userName: string): Promise<Team> {
  return changeTeam(core, name, async (tx, team) => {
    const user = await knownUser(tx.db, userName);
    const before = await teams.teamOf(tx.db, user.id);
    if (before?.id !== team.id) {
      await teams.saveMember(tx, { user_id: user.id, team_id: team.id, since: tx.at });
      const from = before ? `, from team ${before.name}` : "";
      await record(tx, caller.id, "team.add", name, `${userName}${from}`);
    }
    return viewTeam(tx.db, team);
  });
}

/** Throws Problem not_found, also for a user who is not in it. */
export function removeMember(core: Core, caller: Caller, name: string, userName: string): Promise<Team> {
  return changeTeam(core, name, async (tx, team) => {
    const user = await knownUser(tx.db, userName);
    if (!(await teams.deleteMember(tx, team.id, user.id)))
      throw new Problem("not_found", `${userName} is not in team ${name}`);
    await record(tx, caller.id, "team.remove", name, userName);
    return viewTeam(tx.db, team);
  });
}

/** Under the schedule lock: what counts against a quota changes. */
async function changeTeam(
  core: Core,
  name: string,
  change: (tx: Tx, team: TeamRow) => Promise<Team>,
): Promise<Team> {
  const done = await core.store.write(async (tx) => change(tx, await knownTeam(tx.db, name)), {
    lock: "schedule",
  });
  core.signals.emit("wake");
  return done;
}

/** Throws Problem not_found. */
export async function knownTeam(db: Db, name: string): Promise<TeamRow> {
  const team = await teams.findTeamByName(db, name);
  if (!team) throw unknownTeam(name);
  return team;
}

export const unknownTeam = (name: string): Problem =>
  new Problem("not_found", `there is no team ${name}`, { hint: "gpu-dev admin teams lists them" });

/** Throws Problem not_found. */
export async function knownUser(db: Db, name: string): Promise<UserRow> {
  const user = await findUserByName(db, name);
  if (!user) throw unknownUser(name);
  return user;
}

async function viewTeam(db: Db, row: TeamRow): Promise<Team> {
  const [team] = await viewTeams(db, [row]);
  if (!team) throw new Error(`team ${row.id} cannot be shown`);
  return team;
}

async function viewTeams(db: Db, rows: readonly TeamRow[]): Promise<Team[]> {
  const members = await teams.membersOf(
    db,
    rows.map((row) => row.id),
  );
  const names = await userNames(
    db,
    members.map((member) => member.user_id),
  );
  return rows.map(({ id, name, created_at }) => ({
    id,
    name,
    created_at,
    members: members
      .filter((member) => member.team_id === id)
      .flatMap((member) => names.get(member.user_id) ?? [])
      .sort(),
  }));
}
