/**
 * The audit trail's entry of each tunnel (O-03): made when it is over, written behind the gateway's back, many at a time.
 * A database that does not answer is asked again for some minutes; what it does not take even then is in the log.
 * A server that is killed (-9) writes no entry of the tunnels that were open: their openings are in its log.
 */
import { insertAuditOnce } from "../store/journal.ts";
import { createConditions } from "./conditions.ts";
import type { Core } from "./core.ts";
import { newId } from "./ids.ts";

/** A tunnel that is over. */
export interface TunnelEntry {
  readonly session: string;
  readonly userId: string;
  readonly reservationId: string;
  readonly node: number;
  readonly port: number;
  readonly remoteAddress: string;
  /** Milliseconds by the clock that is given to the audit. */
  readonly openedAt: number;
  readonly endedAt: number;
  /** Bytes from the client, and to it. */
  readonly up: number;
  readonly down: number;
  readonly resumes: number;
  readonly end: string;
  readonly text: string;
}

interface Clock {
  now(): number;
  after(ms: number, act: () => void): () => void;
}

const BATCH = 100;
/** A million tunnels that end while the database is away must not fill the memory. */
const MAX_WAITING = 10_000;
const TRIES = 10;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

interface Waiting {
  readonly id: string;
  readonly entry: TunnelEntry;
}

export class TunnelAudit {
  readonly #core: Core;
  readonly #clock: Clock;
  readonly #conditions;
  readonly #waiting: Waiting[] = [];
  #lost = 0;
  #writing: Promise<void> | undefined;
  #closing = false;
  #endPause: (() => void) | undefined;

  constructor(core: Core, clock: Clock) {
    this.#core = core;
    this.#clock = clock;
    this.#conditions = createConditions(core.log);
  }

  /** Entries that are not written yet, and those that never were. */
  get counts(): { readonly waiting: number; readonly lost: number } {
    return { waiting: this.#waiting.length, lost: this.#lost };
  }

  /** Never waits and never throws. */
  record(entry: TunnelEntry): void {
    const waiting = { id: newId(), entry };
    if (this.#waiting.length >= MAX_WAITING) this.#lose(waiting);
    else this.#waiting.push(waiting);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when all that was recorded is written, or logged; each batch is tried once more at most. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#endPause?.();
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let failed = 0; this.#waiting.length > 0; ) {
      const batch = this.#waiting.slice(0, BATCH);
      if (await this.#write(batch)) failed = 0;
      else if (++failed < TRIES && !this.#closing) {
        await this.#pause(Math.min(FIRST_PAUSE_MS * 2 ** (failed - 1), LONGEST_PAUSE_MS));
        continue;
      } else for (const waiting of batch) this.#lose(waiting);
      this.#waiting.splice(0, batch.length);
    }
  }

  async #write(batch: readonly Waiting[]): Promise<boolean | undefined> {
    return this.#conditions.watch(
      "tunnel audit",
      "tunnels cannot be written to the audit trail",
      async () => {
        await this.#core.store.write(async (tx) => {
          const instant = (ms: number): string =>
            new Date(tx.now.getTime() - this.#clock.now() + ms).toISOString();
          for (const { id, entry } of batch)
            await insertAuditOnce(tx, {
              id,
              at: instant(entry.endedAt),
              actor: entry.userId,
              action: "tunnel.close",
              subject: entry.reservationId,
              detail: JSON.stringify(detailOf(entry, instant)),
            });
        });
        return true;
      },
    );
  }

  #lose({ id, entry }: Waiting): void {
    this.#lost += 1;
    this.#core.log(
      "error",
      { audit_id: id, ...detailOf(entry), user_id: entry.userId },
      "an audit entry is lost",
    );
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, resolve);
    this.#endPause = resolve;
    await promise;
    cancel();
  }
}

/** As it stands in the trail; without `instant`, for the log, only how long it was open. */
function detailOf(entry: TunnelEntry, instant?: (ms: number) => string): Record<string, unknown> {
  const { openedAt, endedAt } = entry;
  return {
    session: entry.session,
    node: entry.node,
    port: entry.port,
    from: entry.remoteAddress,
    ...(instant ? { opened_at: instant(openedAt), closed_at: instant(endedAt) } : {}),
    open_s: Math.round((endedAt - openedAt) / 1000),
    bytes_up: entry.up,
    bytes_down: entry.down,
    resumes: entry.resumes,
    end: entry.end,
    text: entry.text.slice(0, 200),
  };
}
