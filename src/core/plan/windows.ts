/**
 * All windows of one number of places, over all nodes: by beginning, then the fullest node, then by name. A sorted list in
 * chunks, each of which knows what it can hold at most, so that a search skips those that cannot serve.
 */
import type { Window } from "./profile.ts";

interface Named {
  readonly name: string;
}

interface Chunk<Owner> {
  readonly items: Window<Owner>[];
  /** The longest window and the latest end. Too high after a removal, until a search in vain sets them right. */
  longest: number;
  latest: number;
}

const CHUNK = 128;

export class Windows<Owner extends Named> {
  readonly #chunks: Chunk<Owner>[];

  constructor(windows: Window<Owner>[]) {
    windows.sort(compare);
    this.#chunks = [];
    for (let i = 0; i < windows.length; i += CHUNK) this.#chunks.push(chunkOf(windows.slice(i, i + CHUNK)));
  }

  /** Lists a window, once. */
  add(window: Window<Owner>): void {
    const at = this.#chunkOf(window);
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push(chunkOf([window]));
      return;
    }
    const i = position(chunk.items, window);
    const there = chunk.items[i];
    if (there && compare(there, window) === 0) chunk.items[i] = window;
    else chunk.items.splice(i, 0, window);
    chunk.longest = Math.max(chunk.longest, window.until - window.from);
    chunk.latest = Math.max(chunk.latest, window.until);
    if (chunk.items.length > 2 * CHUNK)
      this.#chunks.splice(at, 1, chunkOf(chunk.items.slice(0, CHUNK)), chunkOf(chunk.items.slice(CHUNK)));
  }

  remove(window: Window<Owner>): void {
    const at = this.#chunkOf(window);
    const items = this.#chunks[at]?.items ?? [];
    const i = position(items, window);
    if (items[i]?.owner !== window.owner) throw new Error(`a window of ${window.owner.name} is not listed`);
    items.splice(i, 1);
    if (items.length === 0) this.#chunks.splice(at, 1);
  }

  /** The first window, in order, that has `span` left from `from` on and is accepted. */
  find(
    span: number,
    from: number,
    accept: (window: Window<Owner>) => boolean = () => true,
  ): Window<Owner> | undefined {
    for (const chunk of this.#chunks) {
      if (chunk.latest < from + span || (chunk.longest < span && startOf(chunk) > from)) continue;
      let served = false;
      for (const window of chunk.items) {
        if (window.until - Math.max(window.from, from) < span) continue;
        if (accept(window)) return window;
        served = true;
      }
      if (!served) tighten(chunk);
    }
    return undefined;
  }

  /** The last chunk that begins before the window or with it. */
  #chunkOf(window: Window<Owner>): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const first = this.#chunks[middle]?.items[0];
      if (first && compare(first, window) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function compare<Owner extends Named>(a: Window<Owner>, b: Window<Owner>): number {
  if (a.from !== b.from) return a.from < b.from ? -1 : 1;
  if (a.free !== b.free) return a.free - b.free;
  if (a.owner.name === b.owner.name) return 0;
  return a.owner.name < b.owner.name ? -1 : 1;
}

/** Where a window is in the list, or belongs. */
function position<Owner extends Named>(items: readonly Window<Owner>[], window: Window<Owner>): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(items[middle] as Window<Owner>, window) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const startOf = <Owner>(chunk: Chunk<Owner>): number => chunk.items[0]?.from ?? Number.POSITIVE_INFINITY;

function chunkOf<Owner>(items: Window<Owner>[]): Chunk<Owner> {
  const chunk = { items, longest: 0, latest: 0 };
  tighten(chunk);
  return chunk;
}

function tighten<Owner>(chunk: Chunk<Owner>): void {
  chunk.longest = chunk.latest = Number.NEGATIVE_INFINITY;
  for (const { from, until } of chunk.items) {
    chunk.longest = Math.max(chunk.longest, until - from);
    chunk.latest = Math.max(chunk.latest, until);
  }
}
