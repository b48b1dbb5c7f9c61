/**
 * GPUs at once. Who finds no room in a quota waits for it outside of the plan, in order of arrival, and has no promise yet; when
 * there is room, the plan takes it in as a newcomer. What counts is all that has a place in the plan or GPUs, until these are given back.
 */
import { countedFor, listWaitingForQuota } from "../../store/quotas.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { gpusFitAt, gpusOf } from "./use.ts";

type Entrant = Pick<ReservationRow, "owner_id" | "gpu_count">;

/** One quota, and how much of it is taken. */
interface Shelf {
  readonly whose: string;
  readonly most: number;
  taken: number;
  /** Somebody waits for it: who came later does not go before. */
  queued: boolean;
  /** When so many GPUs fit at the latest, as far as the ends are known. */
  fitAt(gpus: number): number | undefined;
}

/** Why a newcomer has to wait, in words; undefined when there is room. Only under the schedule lock. */
export async function waitReason(db: Db, newcomer: Entrant, now: Date): Promise<string | undefined> {
  const enter = createEntrance(db, now);
  if (!(await enter.limited(newcomer))) return undefined;
  for (const row of await listWaitingForQuota(db)) await enter.take(row);
  return enter.take(newcomer);
}

/** Those that wait of whom there is something new: another reason, or none any more. */
export async function newsOfWaiting(
  db: Db,
  now: Date,
): Promise<{ row: ReservationRow; reason: string | undefined }[]> {
  const enter = createEntrance(db, now);
  const seen: { row: ReservationRow; reason: string | undefined }[] = [];
  for (const row of await listWaitingForQuota(db)) seen.push({ row, reason: await enter.take(row) });
  return seen.filter(({ row, reason }) => reason !== row.reason);
}

/** For all that come through it, one after the other. */
function createEntrance(db: Db, now: Date) {
  const shelves = new Map<string, Shelf>();
  const byOwner = new Map<string, Shelf[]>();

  async function shelvesOf({ owner_id }: Entrant): Promise<Shelf[]> {
    const known = byOwner.get(owner_id);
    if (known) return known;
    const found: Shelf[] = [];
    for (const limits of await limitsOf(db, owner_id)) {
      if (limits.gpus === null) continue;
      const shelf = shelves.get(limits.whose) ?? (await readShelf(db, limits, limits.gpus, now));
      shelves.set(limits.whose, shelf);
      found.push(shelf);
    }
    byOwner.set(owner_id, found);
    return found;
  }

  return {
    limited: async (entrant: Entrant) => entrant.gpu_count > 0 && (await shelvesOf(entrant)).length > 0,
    /** Takes room for it, or says why there is none. */
    async take(entrant: Entrant): Promise<string | undefined> {
      const own = await shelvesOf(entrant);
      const gpus = entrant.gpu_count;
      const full = own.find((shelf) => shelf.queued || shelf.taken + gpus > shelf.most);
      if (!full) {
        for (const shelf of own) shelf.taken += gpus;
        return undefined;
      }
      for (const shelf of own) {
        // One for which there never is room any more holds up nobody.
        if (gpus <= shelf.most && shelf.taken + gpus > shelf.most) shelf.queued = true;
      }
      return reasonOf(full, gpus, now);
    },
  };
}

async function readShelf(db: Db, { whose, owners }: Limits, most: number, now: Date): Promise<Shelf> {
  const rows = await countedFor(db, owners, now.toISOString());
  return {
    whose,
    most,
    taken: gpusOf(rows),
    queued: false,
    fitAt: (gpus) => gpusFitAt(rows, most, gpus, now.getTime()),
  };
}

function reasonOf({ whose, most, taken, queued, fitAt }: Shelf, gpus: number, now: Date): string {
  const waits = `waits for room in the quota of ${whose}: ${taken} of ${most} GPUs at once are taken`;
  if (gpus > most) return `${waits}, and it asks for ${gpus}`;
  if (taken + gpus <= most && queued) return `${waits}, and others wait before it`;
  const at = fitAt(gpus);
  if (at === undefined) return `${waits}; nobody can tell until when`;
  return `${waits}; there is room ${at <= now.getTime() ? "any moment" : `by ${new Date(at).toISOString()}`}`;
}
