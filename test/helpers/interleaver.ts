/**
 * Concurrent work, one piece at a time, in an order that a seed decides: a piece is a transaction of the store or a call of the driver.
 * What comes between two pieces runs to its end before the next is chosen, so that a seed replays.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as turn } from "node:timers/promises";
import type { Store } from "../../src/store/db.ts";
import type { Dice } from "./random.ts";

/** Turns of the event loop after which all has come to its next piece, or rests. */
const TURNS = 8;

export class Interleaver {
  /** What was done, in order. */
  readonly story: string[] = [];
  readonly #dice: Dice;
  readonly #waiting: { readonly what: string; readonly go: () => void }[] = [];
  readonly #inside = new AsyncLocalStorage<true>();
  #running = false;
  #over = Promise.withResolvers<void>();

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** `work`, when it is chosen; at once when nothing is being interleaved, or within another piece. */
  async piece<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (!this.#running || this.#inside.getStore()) return work();
    await new Promise<void>((go) => this.#waiting.push({ what, go }));
    try {
      return await this.#inside.run(true, work);
    } finally {
      this.#over.resolve();
    }
  }

  /** The same store, whose transactions are pieces; `by` names who uses it. */
  store(store: Store, by: string): Store {
    return {
      ...store,
      now: () => this.piece(`${by} now`, () => store.now()),
      read: (work) => this.piece(`${by} read`, () => store.read(work)),
      write: (work, options) => this.piece(`${by} write`, () => store.write(work, options)),
    };
  }

  /** Chooses one piece after the other until all of `work` is done. */
  async run(work: () => Promise<unknown>): Promise<void> {
    this.#running = true;
    let done = false;
    const all = work().finally(() => {
      done = true;
    });
    while (!done) await this.#next();
    this.#running = false;
    for (const { go } of this.#waiting.splice(0)) go();
    await all;
  }

  async #next(): Promise<void> {
    for (let i = 0; i < TURNS; i++) await turn();
    const [chosen] = this.#waiting.splice(this.#dice.upTo(this.#waiting.length), 1);
    if (!chosen) return;
    this.story.push(chosen.what);
    this.#over = Promise.withResolvers();
    chosen.go();
    await this.#over.promise;
  }
}
