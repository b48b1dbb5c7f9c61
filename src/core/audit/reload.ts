/** The entries of configurations that were read again. Each is tried until the database has it: nobody else knows what held from when. */
import { setTimeout as pause } from "node:timers/promises";
import { insertAudit } from "../../store/audit.ts";
import { SYSTEM } from "../change.ts";
import { createConditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { OK } from "./record.ts";

/** Keys by their names, since some of their values nobody should read; `restart` are those that wait for one. */
export interface Reload {
  readonly server: string;
  readonly changed: readonly string[];
  readonly restart: readonly string[];
}

const RETRY_MS = 5000;

export class Reloads {
  readonly #core: Pick<Core, "store" | "log">;
  readonly #conditions;
  readonly #retryMs: number;
  readonly #closing = new AbortController();
  #written: Promise<void> = Promise.resolve();

  constructor(core: Pick<Core, "store" | "log">, retryMs = RETRY_MS) {
    this.#core = core;
    this.#conditions = createConditions(core.log);
    this.#retryMs = retryMs;
  }

  /** By whomever the signal was sent: the system does not tell. Never waits and never throws. */
  note(file: string, reload: Reload): void {
    const detail = JSON.stringify({ ...reload, read_at: new Date().toISOString() });
    const entry = { id: newId(), actor: SYSTEM, action: "config.reload", subject: file, detail };
    this.#written = this.#written.then(() => this.#insist({ ...entry, outcome: OK, ...NO_ORIGIN }));
  }

  /** Tries what is left once more; resolves when all is written, or cannot be. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#written;
  }

  async #insist(entry: Omit<Parameters<typeof insertAudit>[1], "at">): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      const last = signal.aborted;
      const written = await this.#conditions.watch("reload", "a reload is not in the audit trail yet", () =>
        this.#core.store.write(async (tx) => {
          await insertAudit(tx, { ...entry, at: tx.at });
          return true;
        }),
      );
      if (written || last) return;
      // A stop ends the pause.
      await pause(this.#retryMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

const NO_ORIGIN = { from_address: null, request_id: null };
