/** How long tokens that are good for nothing are kept: so long their owners and the audit trail's readers can look them up. */
import { deleteTokens, overTokens } from "../../store/tokens.ts";
import type { Core } from "../core.ts";

const KEPT_MS = 90 * 86_400_000;
/** At each sweep, so that none holds the database for long. */
const AT_ONCE = 500;

/** Deletes those that expired, or were revoked or replaced, 90 days ago. */
export async function forgetOldTokens({ store }: Core): Promise<void> {
  const over = await store.read((db, now) =>
    overTokens(db, new Date(now.getTime() - KEPT_MS).toISOString(), AT_ONCE),
  );
  if (over.length > 0) await store.write((tx) => deleteTokens(tx, over));
}
