/** How long tokens that are good for nothing are kept: so long their owners and the audit trail's readers can look them up. */
import { deleteTokens, overTokens } from "../../store/tokens.ts";
import type { Core } from "../core.ts";

const KEPT_MS = 90 * 86_400_000;
/** At each sweep, so that none holds the database for long. */
const AT_ONCE = 500;

/** Deletes those that expired, or were revoked or replaced, 90 days ago, and with which nothing was made that is left but what took their place. */
export async function forgetOldTokens({ store }: Core): Promise<void> {
  const over = await store.read((db, now) =>
    overTokens(db, new Date(now.getTime() - KEPT_MS).toISOString(), AT_ONCE),
  );
  const ids = new Set(over.map(({ id }) => id));
  // Of a line of tokens each of which took the place of the one before, the first; a minute later the next.
  const first = over.filter(({ made_with }) => made_with === null || !ids.has(made_with));
  if (first.length === 0) return;
  await store.write((tx) =>
    deleteTokens(
      tx,
      first.map(({ id }) => id),
    ),
  );
}
