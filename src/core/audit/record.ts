/** The audit trail: who did what to what, when, from where, with which outcome (O-03). */
import { insertAudit } from "../../store/audit.ts";
import type { Tx } from "../../store/db.ts";
import { newId } from "../ids.ts";
import { currentOrigin } from "./origin.ts";

/** The outcome of what was done; other outcomes are codes of errors. */
export const OK = "ok";

/** Writes an entry in the same transaction as what it tells of; `actor` is a user's id, "system" or "pod". */
export function record(
  tx: Tx,
  actor: string,
  action: string,
  subject: string,
  detail: string | null = null,
): Promise<void> {
  const origin = currentOrigin();
  return insertAudit(tx, {
    id: newId(),
    at: tx.at,
    actor,
    action,
    subject,
    detail,
    outcome: OK,
    from_address: origin?.address ?? null,
    request_id: origin?.requestId ?? null,
  });
}
