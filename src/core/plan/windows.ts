/**
 * All windows of one number of places, over all nodes: by beginning, then the fullest node, then by name. Sorted lists in
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
  /** Those that are open now, and those that open later: apart, since only the length of the latter tells what they serve. */
  readonly #open: Chunk<Owner>[];
  readonly #later: Chunk<Owner>[];

  constructor(windows: readonly Window<Owner>[]) {
    const sorted = windows.toSorted(compare);
    const first = sorted.findIndex(({ from }) => from !== Number.NEGATIVE_INFINITY);
    const open = first === -1 ? sorted.length : first;
    this.#open = chunksOf(sorted.slice(0, open));
    this.#later = chunksOf(sorted.slice(open));
  }

  /** Lists a window, once. */
  add(window: Window<Owner>): void {
    const chunks = this.#listOf(window);
    const at = chunkAt(chunks, window);
    const chunk = chunks[at];
    if (!chunk) {
      chunks.push(...chunksOf([window]));
      return;
    }
    const i = position(chunk.items, window);
    const there = chunk.items[i];
    if (there && compare(there, window) === 0) chunk.items[i] = window;
    else chunk.items.splice(i, 0, window);
    chunk.longest = Math.max(chunk.longest, window.until - window.from);
    chunk.latest = Math.max(chunk.latest, window.until);
    if (chunk.items.length > 2 * CHUNK) chunks.splice(at, 1, ...chunksOf(chunk.items));
  }

  remove(window: Window<Owner>): void {
    const chunks = this.#listOf(window);
    const at = chunkAt(chunks, window);
    const items = chunks[at]?.items ?? [];
    const i = position(items, window);
    const there = items[i];
    if (!there || compare(there, window) !== 0)
      throw new Error(`a window of ${window.owner.name} is not listed`);
    items.splice(i, 1);
    if (items.length === 0) chunks.splice(at, 1);
  }

  /** The first window, in order, that has `span` left from `from` on, begins before `before`, and is accepted. */
  find(
    span: number,
    from: number,
    before = Number.POSITIVE_INFINITY,
    accept: (window: Window<Owner>) => boolean = () => true,
  ): Window<Owner> | undefined {
    for (const chunks of [this.#open, this.#later])
      for (const chunk of chunks) {
        const start = startOf(chunk);
        if (start >= before) break;
        if (chunk.latest < from + span || (chunk.longest < span && start > from)) continue;
        let served = false;
        for (const window of chunk.items) {
          if (window.until - Math.max(window.from, from) < span) continue;
          if (window.from >= before) return undefined;
          if (accept(window)) return window;
          served = true;
        }
        if (!served) tighten(chunk);
      }
    return undefined;
  }

  #listOf(window: Window<Owner>): Chunk<Owner>[] {
    return window.from === Number.NEGATIVE_INFINITY ? this.#open : this.#later;
  }
}

/** The last chunk that begins before the window or with it. */
function chunkAt<Owner extends Named>(chunks: readonly Chunk<Owner>[], window: Window<Owner>): number {
  let low = 0;
  let high = chunks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const first = chunks[middle]?.items[0];
    if (first && compare(first, window) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
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

function chunksOf<Owner>(items: readonly Window<Owner>[]): Chunk<Owner>[] {
  const chunks: Chunk<Owner>[] = [];
  for (let i = 0; i < items.length; i += CHUNK) {
    const chunk = { items: items.slice(i, i + CHUNK), longest: 0, latest: 0 };
    tighten(chunk);
    chunks.push(chunk);
  }
  return chunks;
}

function tighten<Owner>(chunk: Chunk<Owner>): void {
  chunk.longest = chunk.latest = Number.NEGATIVE_INFINITY;
  for (const { from, until } of chunk.items) {
    chunk.longest = Math.max(chunk.longest, until - from);
    chunk.latest = Math.max(chunk.latest, until);
  }
}
