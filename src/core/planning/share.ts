/** A user's recent share: GPU seconds, of which each counts half after a week. Who had less comes first. */
import type { Tx } from "../../store/db.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { listRunning, listUsage, lockUsage, saveUsage } from "../../store/usage.ts";

const HALF_LIFE_MS = 7 * 86_400_000;

/** What is left of `amount` after `ms`. */
export const decayed = (amount: number, ms: number): number =>
  amount * 2 ** (-Math.max(0, ms) / HALF_LIFE_MS);

/** GPU seconds of `gpus` from `start` to `end` (milliseconds), each decayed until `now`. */
export function decayedUse(gpus: number, start: number, end: number, now: number): number {
  const perSecond = (gpus * HALF_LIFE_MS) / Math.LN2 / 1000;
  return perSecond * (decayed(1, now - end) - decayed(1, now - start));
}

/** Decayed GPU hours of these users at `now`, with what they run; 0 for who used none. */
export async function recentShares(
  db: Db,
  userIds: readonly string[],
  now: Date,
): Promise<Map<string, number>> {
  const at = now.getTime();
  const shares = new Map(userIds.map((id) => [id, 0]));
  const add = (id: string, seconds: number) => shares.set(id, (shares.get(id) ?? 0) + seconds / 3600);
  for (const used of await listUsage(db, userIds))
    add(used.user_id, decayed(used.gpu_seconds, at - Date.parse(used.as_of)));
  for (const { owner_id, gpu_count, started_at } of await listRunning(db, userIds))
    add(owner_id, decayedUse(gpu_count, Date.parse(started_at), at, at));
  return shares;
}

/** Books what a reservation has used when it is over. */
export async function bookUse(tx: Tx, row: ReservationRow): Promise<void> {
  if (row.started_at === null || row.gpu_count === 0) return;
  await lockUsage(tx);
  const now = tx.now.getTime();
  const [before] = await listUsage(tx.db, [row.owner_id]);
  const old = before ? decayed(before.gpu_seconds, now - Date.parse(before.as_of)) : 0;
  const gpu_seconds = Math.round(old + decayedUse(row.gpu_count, Date.parse(row.started_at), now, now));
  await saveUsage(tx, { user_id: row.owner_id, gpu_seconds, as_of: tx.at });
}
