/**
 * What clients watch, re-read and compared: a *watch* is one client's view of one reservation or of one list. One look a second, or
 * at once after a change, serves all of them from one snapshot of the database. A look depends on nothing that an earlier one or
 * another server has said, so that nothing can be missed; a client that cannot take more is passed over, and later gets what is true then.
 */
import { Problem } from "../api/errors.ts";
import { BadRow } from "../store/columns.ts";
import type { Db } from "../store/tables.ts";
import { createConditions } from "./conditions.ts";
import type { Core } from "./core.ts";

/** Where a client is written to. */
export interface Outlet {
  /** False while what was sent is not taken. */
  ready(): boolean;
  send(message: Message): void;
  /** The last message. */
  end(message: Message): void;
}

export interface Message {
  readonly event: string;
  /** JSON. */
  readonly data: string;
  /** From where the client may resume. */
  readonly id?: number | string;
}

/** One client's view. */
export interface Watch {
  /** False while it cannot take more; it is ended when that lasts. */
  ready(): boolean;
  /** Reads from the snapshot and changes nothing; gives what is to be done when the snapshot was read. Throws Problem for one that may not go on. */
  look(db: Db, now: Date): Promise<() => void>;
  /** Ends it, with the reason for its client. */
  end(problem: Problem): void;
}

export interface Live {
  /** Looks once, so that the first answer or refusal is there when it resolves; then until it is removed. Throws what `look` throws. */
  add(watch: Watch): Promise<void>;
  remove(watch: Watch): void;
  /** Ends all of them. */
  close(): void;
}

const LOOK_MS = 1000;
/** Changes come in bursts: what happens in this time after a look is looked at together. */
const GATHER_MS = 10;
/** Looking takes at most this part of the time, however much is watched. */
const SHARE = 1 / 5;
const STUCK_MS = 60_000;

export const createLive = (core: Core): Live => new Watches(core);

class Watches implements Live {
  readonly #core: Core;
  /** With the time since when each could not take more. */
  readonly #watches = new Map<Watch, number | undefined>();
  readonly #conditions;
  readonly #onChanged = () => this.#lookSoon();
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  /** Until then it rests, whatever changes. */
  #restUntil = 0;
  #looking = false;

  constructor(core: Core) {
    this.#core = core;
    this.#conditions = createConditions(core.log);
  }

  async add(watch: Watch): Promise<void> {
    const done = await this.#core.store.read((db, now) => watch.look(db, now));
    if (this.#watches.size === 0) this.#core.signals.on("changed", this.#onChanged);
    this.#watches.set(watch, undefined);
    done();
    // What was changed between the look and this moment woke nobody.
    this.#lookSoon();
  }

  remove(watch: Watch): void {
    if (!this.#watches.delete(watch) || this.#watches.size > 0) return;
    this.#core.signals.off("changed", this.#onChanged);
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
  }

  close(): void {
    for (const watch of [...this.#watches.keys()])
      this.#end(watch, new Problem("draining", "the server is shutting down", { retryAfter: 1 }));
  }

  #end(watch: Watch, problem: Problem): void {
    this.remove(watch);
    watch.end(problem);
  }

  #lookSoon(): void {
    this.#lookAt(Math.max(performance.now(), this.#restUntil));
  }

  /** At this time, or earlier if it is due earlier already; a look that goes on finds its successor by itself. */
  #lookAt(due: number): void {
    if (due >= this.#due) return;
    this.#due = due;
    if (this.#looking) return;
    clearTimeout(this.#timer);
    const ms = due - performance.now();
    // A timer would come after all that follows from the change, such as the next steps of the reservation.
    if (ms > 0) this.#timer = setTimeout(() => void this.#look(), ms);
    else void this.#look();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#due = Number.POSITIVE_INFINITY;
    const began = performance.now();
    await this.#conditions.watch("watches", "what is watched cannot be read", () => this.#lookAtAll());
    const ended = performance.now();
    this.#restUntil = ended + Math.max(GATHER_MS, (ended - began) * (1 / SHARE - 1));
    this.#looking = false;
    if (this.#watches.size === 0) return;
    const due = Math.max(Math.min(this.#due, ended + LOOK_MS), this.#restUntil);
    this.#due = Number.POSITIVE_INFINITY;
    this.#lookAt(due);
  }

  async #lookAtAll(): Promise<void> {
    const takers = this.#takers();
    if (takers.length === 0) return;
    const results = await this.#core.store.read(async (db, now) => {
      const seen = [];
      for (const watch of takers) seen.push(await this.#lookAtOne(watch, db, now));
      return seen;
    });
    for (const [i, watch] of takers.entries()) {
      // It may have been removed while the others were looked at.
      if (this.#watches.has(watch)) this.#carryOut(watch, results[i]);
    }
  }

  #carryOut(watch: Watch, result: Problem | (() => void) | undefined): void {
    if (result instanceof Problem) this.#end(watch, result);
    else result?.();
  }

  async #lookAtOne(watch: Watch, db: Db, now: Date): Promise<Problem | (() => void)> {
    try {
      return await watch.look(db, now);
    } catch (error) {
      if (error instanceof Problem) return error;
      if (!(error instanceof BadRow)) throw error;
      // One row that cannot be read ends who watches it, not the others.
      this.#core.log("error", { err: error }, "a watched row cannot be read");
      return new Problem("internal", "what is watched cannot be read");
    }
  }

  /** Those that can take more; who could not for long is ended. */
  #takers(): Watch[] {
    const now = performance.now();
    const takers: Watch[] = [];
    for (const [watch, since] of [...this.#watches]) {
      if (watch.ready()) takers.push(watch);
      else if (now - (since ?? now) > STUCK_MS)
        this.#end(watch, new Problem("unavailable", "what was sent is not read", { retryAfter: 1 }));
      if (this.#watches.has(watch)) this.#watches.set(watch, watch.ready() ? undefined : (since ?? now));
    }
    return takers;
  }
}
