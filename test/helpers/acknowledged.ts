/** What a server promised to who reserved, and what has to be so when it settles. */
import type { Reservation } from "../../src/api/reservations.ts";
import { PREPARING_MS } from "../../src/core/lifecycle.ts";
import type { ServerProcess } from "./server-process.ts";

/** What the server said yes to. */
export interface Acknowledged {
  readonly created: Set<string>;
  readonly cancelled: Set<string>;
}

export const FINAL: ReadonlySet<string> = new Set(["expired", "cancelled", "failed"]);

/** All that its user ever had. */
export async function allReservations(server: Pick<ServerProcess, "api">): Promise<Reservation[]> {
  const all: Reservation[] = [];
  let cursor: string | null = null;
  do {
    const query = { state: "all", limit: "500", ...(cursor === null ? {} : { cursor }) } as const;
    const page: { items: Reservation[]; next_cursor: string | null } = await server.api.listReservations({
      query,
    });
    all.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return all;
}

/** What was acknowledged is so, nothing failed but what may, and no GPU is given twice. */
export function checkPromises(
  seen: Acknowledged,
  all: Reservation[],
  mayFail: (reservation: Reservation) => boolean = () => false,
): void {
  const byId = new Map(all.map((r) => [r.id, r]));
  for (const id of seen.created) if (!byId.has(id)) throw new Error(`${id} was acknowledged and is lost`);
  for (const id of seen.cancelled)
    if (!FINAL.has(byId.get(id)?.state ?? ""))
      throw new Error(`${id} was cancelled and is ${byId.get(id)?.state}`);
  const failed = all.filter((r) => r.state === "failed" && !hadItsTime(r) && !mayFail(r));
  if (failed.length > 0)
    throw new Error(`a kill made a reservation fail: ${failed[0]?.id} ${failed[0]?.reason}`);
  const gpus = all
    .filter((r) => !FINAL.has(r.state))
    .flatMap((r) => r.gpus.map((g) => `${r.node} ${r.gpu_type} ${g}`));
  if (new Set(gpus).size !== gpus.length) throw new Error(`a GPU was given twice: ${gpus.join(", ")}`);
}

/** A clock that jumps may use up what a pod has to start in, and a slow machine too, when no server lives long enough to start it. */
const hadItsTime = ({ reason, created_at, ended_at }: Reservation): boolean =>
  reason?.startsWith("not ready in time") === true &&
  Date.parse(ended_at ?? "") - Date.parse(created_at) >= PREPARING_MS;
