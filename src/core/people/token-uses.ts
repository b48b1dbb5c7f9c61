/**
 * When tokens were last used, written behind the requests' back, so that no reader waits for a writer (B-02): once a minute for each
 * token at most, by all servers together, and those of one moment in one statement.
 */
import type { Store } from "../../store/db.ts";
import { noteTokensUsed } from "../../store/tokens.ts";
import { createConditions } from "../conditions.ts";
import type { Log } from "../core.ts";

const MINUTE_MS = 60_000;
/** Beyond so many, some are asked about again sooner: the database knows them all. */
const MAX_KNOWN = 10_000;
/** A statement has a bound for its parameters. */
const BATCH = 500;

export class TokenUses {
  readonly #store: Store;
  readonly #conditions;
  /** By token, when its use was noted here. */
  readonly #noted = new Map<string, number>();
  readonly #waiting = new Set<string>();
  #writing: Promise<void> | undefined;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#conditions = createConditions(log);
  }

  /** `now` is the database's time. Never waits and never throws. */
  note(tokenId: string, now: Date): void {
    if (now.getTime() - (this.#noted.get(tokenId) ?? Number.NEGATIVE_INFINITY) < MINUTE_MS) return;
    if (this.#noted.size >= MAX_KNOWN) this.#noted.clear();
    this.#noted.set(tokenId, now.getTime());
    this.#waiting.add(tokenId);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when all that was noted is written. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const ids = [...this.#waiting].slice(0, BATCH);
      for (const id of ids) this.#waiting.delete(id);
      await this.#conditions.watch("token uses", "the use of tokens could not be written", () =>
        this.#store.write((tx) =>
          noteTokensUsed(tx, ids, new Date(tx.now.getTime() - MINUTE_MS).toISOString()),
        ),
      );
    }
  }
}
