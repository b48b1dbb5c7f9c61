/** The audit trail. Its table takes new entries only: the database itself refuses all else, but to retention. */
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type AuditRow, auditShape, type Db } from "./tables.ts";

/** An entry that is known already stays as it is: who does not know whether it was written may write it again. */
export async function insertAudit(tx: Tx, row: AuditRow): Promise<void> {
  await tx.db
    .insertInto("audit")
    .values(row)
    .onConflict((oc) => oc.column("id").doNothing())
    .execute();
}

interface Wanted {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
  readonly outcome?: string | undefined;
  /** From then on, and before then. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Those that come after this one in the list. */
  readonly after?: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listAudit(db: Db, wanted: Wanted): Promise<AuditRow[]> {
  const { since, until, after, limit } = wanted;
  let query = db.selectFrom("audit").selectAll();
  for (const column of ["actor", "action", "subject", "outcome"] as const) {
    const value = wanted[column];
    if (value !== undefined) query = query.where(column, "=", value);
  }
  if (since !== undefined) query = query.where("at", ">=", since);
  if (until !== undefined) query = query.where("at", "<", until);
  if (after)
    query = query
      .where("at", "<=", after.at)
      .where((eb) => eb.or([eb("at", "<", after.at), eb("id", "<", after.id)]));
  const rows = await query.orderBy("at", "desc").orderBy("id", "desc").limit(limit).execute();
  return rows.map((row) => checkRow("audit", auditShape, row));
}

/** Deletes at most `limit` of the entries from before `before`; how many. */
export async function forgetAudit(tx: Tx, before: string, limit: number): Promise<number> {
  await tx.db
    .insertInto("audit_retention")
    .values({ before })
    .onConflict((oc) => oc.doNothing())
    .execute();
  const old = tx.db.selectFrom("audit").select("id").where("at", "<", before).orderBy("at").limit(limit);
  const { numDeletedRows } = await tx.db.deleteFrom("audit").where("id", "in", old).executeTakeFirst();
  await tx.db.deleteFrom("audit_retention").where("before", "=", before).execute();
  return count(numDeletedRows);
}
