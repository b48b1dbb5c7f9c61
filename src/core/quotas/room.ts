/**
 * GPUs at once. Who finds no room in a quota waits for it outside of the plan, and has no promise yet; when there is room, the
 * plan takes it in as a newcomer. What counts is all that has a place in the plan or GPUs, until these are given back.
 */
import { holdingFor } from "../../store/quotas.ts";
import type { Db } from "../../store/tables.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { gpusFitAt, gpusOf } from "./use.ts";

/** One quota, and how much of it is taken. */
export interface Shelf {
  readonly whose: string;
  /** Whose reservations count together. */
  readonly owners: readonly string[];
  readonly most: number;
  taken: number;
  /** Somebody waits for it: who came later does not go before. */
  queued: boolean;
  /** When so many GPUs fit at the latest, as far as the ends are known. */
  fitAt(gpus: number): number | undefined;
}

/** The shelves in which an owner's GPUs have to fit; each is read once. */
export type Shelves = (ownerId: string) => Promise<readonly Shelf[]>;

export function openShelves(db: Db, now: Date): Shelves {
  const byName = new Map<string, Shelf>();
  const byOwner = new Map<string, Shelf[]>();
  return async (ownerId) => {
    const known = byOwner.get(ownerId);
    if (known) return known;
    const own: Shelf[] = [];
    for (const limits of await limitsOf(db, ownerId)) {
      if (limits.gpus === null) continue;
      const shelf = byName.get(limits.whose) ?? (await readShelf(db, limits, limits.gpus, now));
      byName.set(limits.whose, shelf);
      own.push(shelf);
    }
    byOwner.set(ownerId, own);
    return own;
  };
}

async function readShelf(db: Db, { whose, owners }: Limits, most: number, now: Date): Promise<Shelf> {
  const rows = await holdingFor(db, owners);
  const fitAt = (gpus: number) => gpusFitAt(rows, most, gpus, now.getTime());
  return { whose, owners, most, taken: gpusOf(rows), queued: false, fitAt };
}

/** The most GPUs that ever fit in all of these; undefined for any number. */
export const mostOf = (shelves: readonly Shelf[]): number | undefined =>
  shelves.length === 0 ? undefined : Math.min(...shelves.map(({ most }) => most));

/** Takes room in all of these, or queues for what is full and says why there is none. Only for what fits at all. */
export function takeRoom(shelves: readonly Shelf[], gpus: number, now: Date): string | undefined {
  const full = shelves.find((shelf) => shelf.queued || shelf.taken + gpus > shelf.most);
  if (!full) {
    for (const shelf of shelves) shelf.taken += gpus;
    return undefined;
  }
  const reason = full.queued ? waitsBehind(full) : waitsFirst(full, gpus, now);
  for (const shelf of shelves) if (shelf.taken + gpus > shelf.most) shelf.queued = true;
  return reason;
}

/**
 * Why one waits that is not the next, as far as anybody waits before it. It holds no number that changes while it waits: thousands
 * would have to be told each time.
 */
export function reasonBehind(shelves: readonly Shelf[], gpus: number): string | undefined {
  const small = shelves.find(({ most }) => gpus > most);
  if (small) return `${waits(small)}: it asks for more than all of them`;
  const queued = shelves.find((shelf) => shelf.queued);
  return queued && waitsBehind(queued);
}

const waits = ({ whose, most }: Shelf): string =>
  `waits for room in the quota of ${whose}, ${most} GPUs at once`;

const waitsBehind = (shelf: Shelf): string => `${waits(shelf)}: others wait before it`;

function waitsFirst(shelf: Shelf, gpus: number, now: Date): string {
  const taken = `waits for room in the quota of ${shelf.whose}: ${shelf.taken} of ${shelf.most} GPUs at once are taken`;
  const at = shelf.fitAt(gpus);
  if (at === undefined) return `${taken}; nobody can tell until when`;
  return `${taken}; there is room ${at <= now.getTime() ? "any moment" : `by ${new Date(at).toISOString()}`}`;
}
