/** What is written behind a request's back, so that no reader waits for a writer (B-02): those of one moment together. */
import type { Tx } from "../store/db.ts";
import { createConditions } from "./conditions.ts";
import type { Core } from "./core.ts";

/** A statement has a bound for its parameters. */
const BATCH = 500;

export class Behind<T> {
  readonly #core: Pick<Core, "store" | "log">;
  readonly #conditions;
  readonly #message: string;
  readonly #write: (tx: Tx, items: readonly T[]) => Promise<unknown>;
  #waiting: T[] = [];
  #writing: Promise<void> | undefined;

  /** `message` is logged when `write` fails; what it failed to write is not tried again. */
  constructor(
    core: Pick<Core, "store" | "log">,
    message: string,
    write: (tx: Tx, items: readonly T[]) => Promise<unknown>,
  ) {
    this.#core = core;
    this.#conditions = createConditions(core.log);
    this.#message = message;
    this.#write = write;
  }

  /** Never waits and never throws. */
  add(item: T): void {
    this.#waiting.push(item);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when all that was added is written. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const items = this.#waiting.splice(0, BATCH);
      await this.#conditions.watch("write", this.#message, () =>
        this.#core.store.write((tx) => this.#write(tx, items)),
      );
    }
  }
}
