/**
 * The order in which those who wait for the same quotas get room: of all who share them, who came first. The first of an owner for
 * whom there is none holds up the owner's others; who is behind is not even read.
 */
import { firstWaiters, type Waiter, waitersOf } from "../../store/quota-waiting.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { mostOf, openShelves, reasonBehind, type Shelves, takeRoom } from "./room.ts";

/** Of one that waits there is something new: another reason, or none any more. */
export interface News {
  readonly row: Waiter;
  readonly reason: string | undefined;
}

/** Read of an owner's line at once; most have one or two. */
const PAGE = 20;
/** Let in by one look; the others by the next. */
const MOST = 50;

/** Why a newcomer has to wait, in words; undefined when there is room. Only under the schedule lock. */
export async function waitReason(
  db: Db,
  newcomer: Pick<ReservationRow, "owner_id" | "gpu_count">,
  now: Date,
): Promise<string | undefined> {
  if (newcomer.gpu_count === 0) return undefined;
  const shelvesOf = openShelves(db, now);
  const shelves = await shelvesOf(newcomer.owner_id);
  if (shelves.length === 0) return undefined;
  // Those who wait take what has got free before it; where there are too many to look at, it waits behind them.
  const before = await nextInTurn(db, shelvesOf, newcomer.owner_id, now);
  if (before.filter(isLetIn).length === MOST) for (const shelf of shelves) shelf.queued = true;
  return takeRoom(shelves, newcomer.gpu_count, now);
}

/** What is new for those who wait for what these owners share, and for `others` of whom nothing but the reason can be. */
export async function newsOf(
  db: Db,
  owners: readonly string[],
  others: readonly Waiter[],
  now: Date,
): Promise<News[]> {
  const shelvesOf = openShelves(db, now);
  const next = new Map<string, News>();
  const looked = new Set<string>();
  let room = MOST;
  for (const owner of owners) {
    if (looked.has(owner) || room <= 0) continue;
    for (const one of await sharing(shelvesOf, owner)) looked.add(one);
    const its = await nextInTurn(db, shelvesOf, owner, now);
    for (const one of its) next.set(one.row.id, one);
    room -= its.filter(isLetIn).length;
  }
  const behind: News[] = [];
  for (const row of others) {
    const reason = reasonBehind(await shelvesOf(row.owner_id), row.gpu_count);
    if (!next.has(row.id) && reason !== undefined) behind.push({ row, reason });
  }
  return [...next.values(), ...behind].filter(({ row, reason }) => reason !== row.reason);
}

const isLetIn = ({ reason }: News): boolean => reason === undefined;

async function nextInTurn(db: Db, shelvesOf: Shelves, owner: string, now: Date): Promise<News[]> {
  const next: News[] = [];
  let room = MOST;
  for await (const one of inTurn(db, shelvesOf, owner, now)) {
    next.push(one);
    if (isLetIn(one) && --room === 0) break;
  }
  return next;
}

/** Whose reservations have to fit in a quota with this owner's: his own, or all of his team. */
async function sharing(shelvesOf: Shelves, owner: string): Promise<readonly string[]> {
  return [...new Set([owner, ...(await shelvesOf(owner)).flatMap((shelf) => shelf.owners)])];
}

/** Those who share quotas with `owner`, each with why it waits on, as long as another may have room. */
async function* inTurn(db: Db, shelvesOf: Shelves, owner: string, now: Date): AsyncGenerator<News> {
  const owners = await sharing(shelvesOf, owner);
  const shared = (await shelvesOf(owner)).filter((shelf) =>
    owners.every((one) => shelf.owners.includes(one)),
  );
  const lines = new Set((await firstWaiters(db, owners)).map((first) => new Line(db, shelvesOf, first)));
  while (lines.size > 0 && !shared.some((shelf) => shelf.queued)) {
    const line = [...lines].reduce((a, b) => (b.next < a.next ? b : a));
    const from = line.next;
    const row = await line.head();
    // It came later than was known: another may be before it.
    if (row && row.seq > from) continue;
    const reason = row && takeRoom(await shelvesOf(line.owner), row.gpu_count, now);
    if (!row || reason !== undefined) lines.delete(line);
    line.shift();
    if (row) yield { row, reason };
  }
}

/** One owner's, without those that ask for more than the whole of a quota. */
class Line {
  readonly owner: string;
  /** The first did not come before this one. */
  next: number;
  readonly #db: Db;
  readonly #shelvesOf: Shelves;
  #rows: Waiter[] = [];

  constructor(db: Db, shelvesOf: Shelves, first: { readonly owner: string; readonly seq: number }) {
    this.#db = db;
    this.#shelvesOf = shelvesOf;
    this.owner = first.owner;
    this.next = first.seq;
  }

  /** The first; undefined when there is none left. */
  async head(): Promise<Waiter | undefined> {
    if (this.#rows.length === 0) {
      const most = mostOf(await this.#shelvesOf(this.owner));
      this.#rows = await waitersOf(this.#db, this.owner, { most, after: this.next - 1, limit: PAGE });
    }
    this.next = this.#rows[0]?.seq ?? this.next;
    return this.#rows[0];
  }

  shift(): void {
    const gone = this.#rows.shift();
    if (gone) this.next = gone.seq + 1;
  }
}
