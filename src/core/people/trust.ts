/** Who may be in pods that are not kept apart from each other, nor from the server. */
import { collaboratorsOf } from "../../store/collaborators.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { areAdministrators } from "../../store/users.ts";
import type { Core } from "../core.ts";

/** Why its pod must not be launched, if so: it may have been reserved while the server could keep pods apart. */
export async function untrusted(core: Core, row: ReservationRow): Promise<string | undefined> {
  if (core.driver.isolation !== "processes" || (await core.store.read((db) => onlyAdministrators(db, row))))
    return undefined;
  return "this server runs pods as plain processes by now, which are one trust domain for administrators only";
}

/** Whether only administrators come into it: nobody knows the role of an account of GitHub. */
async function onlyAdministrators(db: Db, row: ReservationRow): Promise<boolean> {
  const collaborators = await collaboratorsOf(db, [row.id]);
  const ids = collaborators.map(({ user_id }) => user_id).filter((id) => id !== null);
  return ids.length === collaborators.length && (await areAdministrators(db, [row.owner_id, ...ids]));
}
