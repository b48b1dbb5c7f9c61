/** The audit trail as administrators read it. */
import type { AuditEntry, ListAuditQuery } from "../../api/audit.ts";
import { Problem } from "../../api/errors.ts";
import type { Page } from "../../api/schemas.ts";
import { listAudit as listRows } from "../../store/audit.ts";
import type { AuditRow, Db } from "../../store/tables.ts";
import { findUserByName, userNames } from "../../store/users.ts";
import { POD, SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { cursorPosition, DEFAULT_LIMIT, pageOf } from "../cursor.ts";
import { ANONYMOUS } from "./refusals.ts";

/** Actors who are no users; no user has such a name. */
const OTHERS = [SYSTEM, POD, ANONYMOUS];

/** Newest first. Throws Problem not_found for a user whom nobody knows. */
export function listAudit(core: Core, query: ListAuditQuery): Promise<Page<AuditEntry>> {
  const { limit = DEFAULT_LIMIT, cursor, user, action, reservation: subject, outcome, since, until } = query;
  const filter = ["audit", user, action, subject, outcome, since, until];
  const [at = "", id = ""] = cursorPosition(cursor, filter, "text")?.split(" ") ?? [];
  const after = cursor === undefined ? undefined : { at, id };
  return core.store.read(async (db) => {
    const actor = user === undefined ? undefined : await actorNamed(db, user);
    const rows = await listRows(db, {
      actor,
      action,
      subject,
      outcome,
      since,
      until,
      after,
      limit: limit + 1,
    });
    const names = await userNames(db, [...new Set(rows.map((row) => row.actor))]);
    const items = rows.map((row) => view(row, names.get(row.actor) ?? row.actor));
    return pageOf(rows, items, limit, filter, (row) => [`${row.at} ${row.id}`, row.id]);
  });
}

async function actorNamed(db: Db, name: string): Promise<string> {
  if (OTHERS.includes(name)) return name;
  const user = await findUserByName(db, name);
  if (user) return user.id;
  throw new Problem("not_found", `there is no user ${name}`, { hint: "gpu-dev admin users lists them" });
}

function view(row: AuditRow, actor_name: string): AuditEntry {
  const { id, at, actor, action, subject, outcome, from_address, request_id, detail } = row;
  const data = dataOf(detail);
  return {
    ...{ id, at, actor, actor_name, action, subject, outcome, from: from_address, request_id },
    detail: data ? null : detail,
    data,
  };
}

/** What was written as an object of JSON; undefined words of people are no such. */
function dataOf(detail: string | null): Record<string, unknown> | null {
  if (detail === null || !detail.startsWith("{")) return null;
  try {
    return JSON.parse(detail) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
