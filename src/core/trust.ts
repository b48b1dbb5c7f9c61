/** Who may be in pods that are not kept apart from each other, nor from the server. */
import { collaboratorsOf } from "../store/collaborators.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { areAdministrators } from "../store/users.ts";

/** Whether only administrators come into it: nobody knows the role of an account of GitHub. */
export async function onlyAdministrators(db: Db, row: ReservationRow): Promise<boolean> {
  const collaborators = await collaboratorsOf(db, [row.id]);
  const ids = collaborators.map(({ user_id }) => user_id).filter((id) => id !== null);
  return ids.length === collaborators.length && (await areAdministrators(db, [row.owner_id, ...ids]));
}
