/**
 * Writes what the audit trail says of tunnels (O-03) behind the gateway's back, many at a time: when one is opened, what a
 * server that is killed would take along; when it is over, its entry. A database that does not answer is asked again for some
 * minutes; an entry that it does not take even then is in the log, and the trail refers to that as soon as it can be written.
 */

import { insertAudit } from "../../store/audit.ts";
import type { Tx } from "../../store/db.ts";
import { deleteOpenTunnels, insertOpenTunnels } from "../../store/open-tunnels.ts";
import type { AuditRow, OpenTunnelRow } from "../../store/tables.ts";
import { createConditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { closeLostTunnels, closing, detailOf, type OpenTunnel, type TunnelEntry } from "./entry.ts";

interface Clock {
  now(): number;
  after(ms: number, act: () => void): () => void;
}

/**
 * Each commit on SQLite holds the event loop, and so everybody's keystrokes, until the disk has it: there is one in a second
 * at most, and none for the opening of a tunnel that is over by then.
 */
const GATHER_MS = 1_000;
const BATCH = 100;
/** A million tunnels that end while the database is away must not fill the memory. */
const MAX_WAITING = 10_000;
const TRIES = 10;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** To be written of a tunnel: that it is open, or that it is over. */
type Waiting =
  | { readonly kind: "open"; readonly tunnel: OpenTunnel }
  | { readonly kind: "over"; readonly id: string; readonly entry: TunnelEntry };
type Batch = readonly (readonly [session: string, waiting: Waiting])[];
type Instant = (ms: number) => string;

export class TunnelAudit {
  readonly #core: Core;
  readonly #clock: Clock;
  /** Its name in the database. */
  readonly #server: string;
  readonly #conditions;
  /** By session, in the order of writing. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #open = new Set<string>();
  #lost = 0;
  /** So many of the lost have left no row behind, which would count against the limits of its user for ever. */
  #cleared = 0;
  #writing: Promise<void> | undefined;
  #closing = false;
  #endPause: (() => void) | undefined;

  constructor(core: Core, clock: Clock, server: string) {
    this.#core = core;
    this.#clock = clock;
    this.#server = server;
    this.#conditions = createConditions(core.log);
  }

  /** Entries that are not written yet, and those that never were. */
  get counts(): { readonly waiting: number; readonly lost: number } {
    const over = [...this.#waiting.values()].filter(({ kind }) => kind === "over");
    return { waiting: over.length, lost: this.#lost };
  }

  /** Never waits and never throws; what is not written of it is in its entry later. */
  opened(tunnel: OpenTunnel): void {
    this.#open.add(tunnel.session);
    if (this.#waiting.size < MAX_WAITING) this.#add(tunnel.session, { kind: "open", tunnel });
  }

  /** Never waits and never throws. */
  closed(entry: TunnelEntry): void {
    const waiting = { kind: "over", id: newId(), entry } as const;
    this.#open.delete(entry.session);
    // Of one that is over already, nobody needs to know that it is open.
    this.#waiting.delete(entry.session);
    if (this.#waiting.size >= MAX_WAITING) this.#lose(waiting);
    else this.#add(entry.session, waiting);
  }

  /** Resolves when all that was recorded is written, or logged; each batch is tried once more at most. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#endPause?.();
    await this.#writing;
  }

  #add(session: string, waiting: Waiting): void {
    this.#waiting.set(session, waiting);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    // What a server leaves behind that stops is taken up when the others forget it.
    for (let failed = 0; this.#waiting.size > 0 || (this.#cleared < this.#lost && !this.#closing); ) {
      if (failed > 0) await this.#pause(Math.min(FIRST_PAUSE_MS * 2 ** (failed - 1), LONGEST_PAUSE_MS));
      else if (this.#waiting.size < BATCH) await this.#pause(GATHER_MS);
      const batch = [...this.#waiting].slice(0, BATCH);
      if (await this.#write(batch)) failed = 0;
      else if (++failed < TRIES && !this.#closing) continue;
      else for (const [, waiting] of batch) this.#lose(waiting);
      // A tunnel that ended meanwhile has an entry, which is still to be written.
      for (const [session, waiting] of batch)
        if (this.#waiting.get(session) === waiting) this.#waiting.delete(session);
    }
  }

  async #write(batch: Batch): Promise<boolean | undefined> {
    return this.#conditions.watch(
      "tunnel audit",
      "tunnels cannot be written to the audit trail",
      async () => {
        const lost = this.#lost;
        const cleared = await this.#core.store.write(async (tx) => {
          const instant: Instant = (ms) => new Date(tx.now.getTime() - this.#clock.now() + ms).toISOString();
          await insertOpenTunnels(
            tx,
            batch.flatMap(([, it]) => (it.kind === "open" ? this.#row(it.tunnel, instant) : [])),
          );
          const over = batch.flatMap(([, it]) => (it.kind === "over" ? it : []));
          for (const { id, entry } of over) await insertAudit(tx, auditRow(id, entry, instant));
          await deleteOpenTunnels(
            tx,
            over.map(({ entry }) => entry.session),
          );
          return this.#cleared === lost || this.#clear(tx);
        });
        if (cleared) this.#cleared = lost;
        return true;
      },
    );
  }

  /** True when no row is left of a tunnel that is neither open nor has an entry that is still to be written. */
  #clear(tx: Tx): Promise<boolean> {
    const known = (session: string): boolean => this.#open.has(session) || this.#waiting.has(session);
    return closeLostTunnels(tx, this.#server, known);
  }

  #row(tunnel: OpenTunnel, instant: Instant): OpenTunnelRow {
    const { session, userId, reservationId, node, port, remoteAddress, openedAt } = tunnel;
    return {
      session,
      server: this.#server,
      user_id: userId,
      reservation_id: reservationId,
      node,
      port,
      remote_address: remoteAddress,
      opened_at: instant(openedAt),
    };
  }

  #lose(waiting: Waiting): void {
    if (waiting.kind === "open") return;
    this.#lost += 1;
    const { id, entry } = waiting;
    this.#core.log(
      "error",
      { audit_id: id, ...detailOf(entry), user_id: entry.userId },
      "an audit entry is lost",
    );
  }

  async #pause(ms: number): Promise<void> {
    if (this.#closing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, resolve);
    this.#endPause = resolve;
    await promise;
    cancel();
  }
}

const auditRow = (id: string, entry: TunnelEntry, instant: Instant): AuditRow => ({
  id,
  at: instant(entry.endedAt),
  ...closing(entry.userId, entry.reservationId, entry.remoteAddress),
  detail: JSON.stringify(detailOf(entry, instant)),
});
