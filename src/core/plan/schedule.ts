/**
 * Who has what place when, on all nodes of one GPU type, and the search for the earliest place. What is counted is how many
 * places of a node are taken at an instant: any bookings whose count never exceeds the places can be given GPUs as they start.
 */
import { type PlanHold, type PlanNode, type PlanRequest, suits, type Where } from "./model.ts";
import { Profile, type Window } from "./profile.ts";
import { Windows } from "./windows.ts";

export interface Host {
  readonly name: string;
  readonly node: PlanNode;
  readonly holds: readonly PlanHold[];
  /** When the first of its holds should be over. */
  readonly dueAt: number;
  readonly bookings: Set<Booking>;
  readonly profile: Profile;
  /** Something of it was freed and has not been offered to all yet. */
  freed: boolean;
}

export interface Booking {
  readonly request: PlanRequest;
  readonly span: number;
  /** As planned; `from` is later when what should have left is still there. */
  readonly start: number;
  readonly from: number;
  readonly until: number;
  readonly hosts: readonly Host[];
}

/** Whether the node of a window could serve at all. */
type May = (window: Window<Host>) => boolean;

export interface Fit {
  readonly start: number;
  readonly hosts: readonly Host[];
}

/** Of the nodes that could serve a start in the future that is asked for exactly, so many are compared for the fullest. */
const COMPARED = 64;

export class Schedule {
  now: number;
  readonly hosts = new Map<string, Host>();
  /** Those of which anything changed since somebody last cleared this. */
  readonly changed = new Set<Host>();
  readonly #levels = new Map<number, Windows<Host>>();

  constructor(now: number) {
    this.now = now;
  }

  /** Numbers of places for which windows are kept: those that were asked for so far. */
  get levels(): number[] {
    return [...this.#levels.keys()];
  }

  /** Puts a node there, or in place of the one of that name, with what is held on it and no bookings. */
  setHost(node: PlanNode, holds: readonly PlanHold[]): void {
    const freed = this.hosts.get(node.node)?.freed ?? false;
    this.dropHost(node.node);
    // A closed node has nothing to give.
    const profile = new Profile(node.open ? node.places : 0);
    let dueAt = Number.POSITIVE_INFINITY;
    for (const { places, freeAt = Number.POSITIVE_INFINITY } of holds) {
      dueAt = Math.min(dueAt, freeAt);
      // Whoever should be gone but is not will be gone in a moment; held is held.
      profile.add(-places, Number.NEGATIVE_INFINITY, Math.max(freeAt, this.now + 1));
    }
    const host: Host = { name: node.node, node, holds, dueAt, bookings: new Set(), profile, freed };
    this.hosts.set(host.name, host);
    this.changed.add(host);
    for (const [places, windows] of this.#levels) for (const w of allWindows(host, places)) windows.add(w);
  }

  dropHost(name: string): void {
    for (const [places, windows] of this.#levels)
      for (const window of this.windowsOf(name, places)) windows.remove(window);
    this.hosts.delete(name);
  }

  /** All windows of a node for so many places, in order; none when it is not there. */
  windowsOf(name: string, places: number): Window<Host>[] {
    const host = this.hosts.get(name);
    return host ? allWindows(host, places) : [];
  }

  /** Moves the present on. */
  advance(now: number): void {
    this.now = now;
    for (const host of this.hosts.values())
      if (host.profile.nextChange <= now)
        this.#change(host, Number.NEGATIVE_INFINITY, now, () => host.profile.trim(now));
  }

  book(booking: Booking): void {
    for (const host of booking.hosts) {
      host.bookings.add(booking);
      this.take(host, booking.request.places, booking.from, booking.until);
    }
  }

  unbook(booking: Booking): void {
    for (const host of booking.hosts) {
      host.bookings.delete(booking);
      this.take(host, -booking.request.places, booking.from, booking.until);
    }
  }

  /** The earliest place for a request with all bookings as they are, before a limit; undefined when there is none. */
  earliest(
    request: Where & Pick<PlanRequest, "places" | "nodes" | "notBefore">,
    span: number,
    before = Number.POSITIVE_INFINITY,
  ): Fit | undefined {
    const from = Math.max(this.now, request.notBefore ?? this.now);
    const windows = this.#level(request.places);
    const may: May = ({ owner }) => suits(owner.node, request);
    return request.nodes === 1
      ? this.#earliestOne(windows, may, span, from, before)
      : earliestGang(windows, may, request.nodes, span, from, before);
  }

  /** For how long so many places of some node are free from now on, ms. */
  longestNow(request: Where & Pick<PlanRequest, "places">): number {
    let longest = 0;
    this.#level(request.places).find(0, this.now, this.now + 1, ({ until, owner }) => {
      if (suits(owner.node, request)) longest = Math.max(longest, until - this.now);
      return false;
    });
    return longest;
  }

  /** Takes places of a node for a time, or gives them back (`places` negative). */
  take(host: Host, places: number, from: number, until: number): void {
    if (until <= this.now) return;
    const begin = from <= this.now ? Number.NEGATIVE_INFINITY : from;
    this.#change(host, begin, until, () => host.profile.add(-places, begin, until));
  }

  #earliestOne(
    windows: Windows<Host>,
    may: May,
    span: number,
    from: number,
    before: number,
  ): Fit | undefined {
    const first = windows.find(span, from, before, may);
    if (!first) return undefined;
    // Windows that begin together come with the fullest node first; so do those that are open now.
    const inside = first.from < from && from > this.now;
    const host = inside ? fullestAt(windows, may, span, from) : first.owner;
    return { start: Math.max(first.from, from), hosts: [host] };
  }

  /** Changes a profile within a time, and the lists of windows with it. */
  #change(host: Host, from: number, until: number, act: () => void): void {
    this.changed.add(host);
    const before = [...this.#levels.keys()].map((places) => host.profile.windows(host, places, from, until));
    act();
    let i = 0;
    for (const [places, windows] of this.#levels)
      replace(windows, before[i++] ?? [], host.profile.windows(host, places, from, until));
  }

  #level(places: number): Windows<Host> {
    let level = this.#levels.get(places);
    if (!level) {
      level = new Windows([...this.hosts.values()].flatMap((host) => allWindows(host, places)));
      this.#levels.set(places, level);
    }
    return level;
  }
}

export const namesOf = (booking: Booking): string[] => booking.hosts.map((host) => host.name);

const allWindows = (host: Host, places: number): Window<Host>[] =>
  host.profile.windows(host, places, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);

function replace(list: Windows<Host>, before: readonly Window<Host>[], after: readonly Window<Host>[]): void {
  for (const old of before) if (!after.some((window) => same(window, old))) list.remove(old);
  for (const window of after) if (!before.some((old) => same(window, old))) list.add(window);
}

/** Whether two windows of one node are the same. */
export const same = (a: Window<Host>, b: Window<Host>): boolean =>
  a.from === b.from && a.until === b.until && a.free === b.free;

function fullestAt(windows: Windows<Host>, may: May, span: number, start: number): Host {
  let best: { host: Host; free: number } | undefined;
  let seen = 0;
  windows.find(span, start, start + 1, (window) => {
    if (!may(window)) return false;
    const { owner } = window;
    const free = owner.profile.freeAt(start);
    if (!best || free < best.free || (free === best.free && owner.name < best.host.name))
      best = { host: owner, free };
    seen += 1;
    return seen === COMPARED;
  });
  if (!best) throw new Error("no node is free at a time at which one was found");
  return best.host;
}

/** Windows in order of their beginnings; those that have passed too far to serve are dropped, until enough are open at once. */
function earliestGang(
  windows: Windows<Host>,
  may: May,
  nodes: number,
  span: number,
  from: number,
  before: number,
): Fit | undefined {
  let together: Window<Host>[] = [];
  const last = windows.find(span, from, before, (window) => {
    if (!may(window)) return false;
    const start = Math.max(window.from, from);
    together = together.filter((other) => other.until - start >= span);
    together.push(window);
    return together.length === nodes;
  });
  if (!last) return undefined;
  const hosts = together.map((window) => window.owner).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { start: Math.max(last.from, from), hosts };
}
