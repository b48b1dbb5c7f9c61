/** The audit trail: who did what to what (O-03). */
import type { Tx } from "../../store/db.ts";
import { insertAudit } from "../../store/journal.ts";
import { newId } from "../ids.ts";

/** Writes an entry in the same transaction as what it tells of; `actor` is a user's id, "system" or "pod". */
export const record = (
  tx: Tx,
  actor: string,
  action: string,
  subject: string,
  detail: string | null = null,
): Promise<void> => insertAudit(tx, { id: newId(), at: tx.at, actor, action, subject, detail });
