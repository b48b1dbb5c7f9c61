/** When what is held gets free. Pure. */
import type { Taken } from "../../store/allocations.ts";
import { CLEARING_MS, LATE_MS } from "../plan/model.ts";

/** Who should be gone but is not is waited for this long before nobody can tell any more (L-14 makes an alert of it then). */
const OVERDUE_MS = 15 * 60_000;

type Hold = Pick<Taken, "state" | "state_since" | "ends_at" | "preparing_deadline" | "duration_s">;

/**
 * Milliseconds since 1970 at which it is free at the latest; undefined when nobody can tell. It may be over: whoever was not
 * ended in time (the server was away) or is just being taken away is gone in a moment.
 */
export function freeAt(hold: Hold, now: number): number | undefined {
  const end = endOf(hold);
  if (end === undefined || hold.state !== "ending") return end && end + CLEARING_MS;
  const since = Date.parse(hold.state_since);
  // Ended early: its pod is being taken away now, and its own end is only waited for when that takes too long.
  const cleared = since + OVERDUE_MS;
  if (now < cleared && cleared < end + CLEARING_MS) return cleared;
  const due = Math.max(end, since);
  if (now <= due + CLEARING_MS + LATE_MS) return end + CLEARING_MS;
  return now < due + OVERDUE_MS ? due + OVERDUE_MS : undefined;
}

/** The end at the latest: while it is prepared, all of its time is still to come. */
function endOf(hold: Hold): number | undefined {
  if (hold.ends_at !== null) return Date.parse(hold.ends_at);
  if (hold.preparing_deadline === null) return undefined;
  return Date.parse(hold.preparing_deadline) + hold.duration_s * 1000;
}
