/** When tokens were last used: written once a minute for each token at most, by all servers together. */
import { noteTokensUsed } from "../../store/tokens.ts";
import { Behind } from "../behind.ts";
import type { Core } from "../core.ts";

const MINUTE_MS = 60_000;
/** Beyond so many, some are asked about again sooner: the database knows them all. */
const MAX_KNOWN = 10_000;

export class TokenUses {
  readonly #behind: Behind<string>;
  /** By token, when its use was noted here. */
  readonly #noted = new Map<string, number>();

  constructor(core: Pick<Core, "store" | "log">) {
    this.#behind = new Behind(core, "the use of tokens could not be written", (tx, ids) =>
      noteTokensUsed(tx, ids, new Date(tx.now.getTime() - MINUTE_MS).toISOString()),
    );
  }

  /** `now` is the database's time. Never waits and never throws. */
  note(tokenId: string, now: Date): void {
    if (now.getTime() - (this.#noted.get(tokenId) ?? Number.NEGATIVE_INFINITY) < MINUTE_MS) return;
    if (this.#noted.size >= MAX_KNOWN) this.#noted.clear();
    this.#noted.set(tokenId, now.getTime());
    this.#behind.add(tokenId);
  }

  /** Resolves when all that was noted is written. */
  written(): Promise<void> {
    return this.#behind.written();
  }
}
