/** How long the audit trail is kept. */
import { forgetAudit } from "../../store/audit.ts";
import type { Core } from "../core.ts";

/** A little more than a year: what happened once a year is there twice. */
const DEFAULT_S = 400 * 86_400;
/** At each sweep: a server that was off for long must not hold the database for long. */
const AT_ONCE = 1000;

/** Deletes entries that are older than they are kept; `audit_retention: 0` keeps all. */
export async function forgetOldAudit(core: Core): Promise<void> {
  const { auditRetentionS = DEFAULT_S } = core.settings;
  if (auditRetentionS === 0) return;
  await core.store.write((tx) =>
    forgetAudit(tx, new Date(tx.now.getTime() - auditRetentionS * 1000).toISOString(), AT_ONCE),
  );
}
