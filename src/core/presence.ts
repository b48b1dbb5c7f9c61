/**
 * The servers of a database know each other by rows that they renew: whose own token is good, and which process has the
 * gateway that holds a session. A row that is not renewed is soon taken for that of a dead process.
 */
import type { Tx } from "../store/db.ts";
import { countOpenTunnels, type Held } from "../store/open-tunnels.ts";
import { deleteServer, deleteUnseenServers, listServers, saveServer } from "../store/servers.ts";
import { replaceServerTokens, replaceTokensOfGoneServers, restoreServerTokens } from "../store/tokens.ts";
import { createConditions } from "./conditions.ts";
import type { Core } from "./core.ts";
import { closeOrphanedTunnels } from "./tunnels/entry.ts";

type PresenceCore = Pick<Core, "store" | "log">;

const RENEW_MS = 5_000;
/** Five renewals may fail: a database that was away for a moment must not make anybody dead. */
const GONE_MS = 30_000;
/** A process that stood still for long, as on a laptop that slept, may still have its sessions: its door is tried. */
const FORGOTTEN_MS = 15 * 60_000;

export interface Presence {
  readonly name: string;
  /** From now on nothing new is sent to this server, and its own token is good for nothing new. */
  drain(): Promise<void>;
  /** Takes the row away. */
  leave(): Promise<void>;
  /** Throws when the row could not be renewed for so long that others take this server for dead. */
  check(): void;
  /** Renews the row now; for tests, which own the clock. */
  renew(): Promise<void>;
}

/**
 * Makes this process known as `name`; `address` is where its gateway is reached by the others. Those that are known to be
 * `dead` are forgotten at once.
 */
export async function joinServers(
  core: PresenceCore,
  name: string,
  address: string | null,
  dead: readonly string[] = [],
): Promise<Presence> {
  const member = new Member(core, name, address);
  if (dead.length > 0)
    await core.store.write(async (tx) => {
      for (const gone of dead) await forget(tx, gone);
    });
  await member.renew();
  member.start();
  return member;
}

class Member implements Presence {
  readonly name: string;
  readonly #core: PresenceCore;
  readonly #address: string | null;
  #draining = false;
  #renewed = performance.now();
  #timer: NodeJS.Timeout | undefined;
  /** One after the other: a renewal that is under way must not undo what comes after it. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = false;

  constructor(core: PresenceCore, name: string, address: string | null) {
    this.name = name;
    this.#core = core;
    this.#address = address;
  }

  start(): void {
    const { watch } = createConditions(this.#core.log);
    this.#timer = setInterval(() => {
      if (this.#waiting) return;
      this.#waiting = true;
      const told = watch("presence", "this server could not tell the others that it is there", () =>
        this.renew(),
      );
      void told.finally(() => {
        this.#waiting = false;
      });
    }, RENEW_MS);
  }

  async renew(): Promise<void> {
    await this.#write(async (tx) => {
      await this.#save(tx);
      await deleteUnseenServers(tx, ago(tx.now, FORGOTTEN_MS));
      await closeOrphanedTunnels(tx);
      await replaceTokensOfGoneServers(tx, ago(tx.now, GONE_MS));
    });
    this.#renewed = performance.now();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await this.#write(async (tx) => {
      await this.#save(tx);
      await replaceServerTokens(tx, { of: this.name });
    });
  }

  async leave(): Promise<void> {
    clearInterval(this.#timer);
    await this.#write((tx) => forget(tx, this.name));
  }

  check(): void {
    if (performance.now() - this.#renewed > GONE_MS)
      throw new Error("the other servers take this one for dead");
  }

  async #save(tx: Tx): Promise<void> {
    await saveServer(tx, { name: this.name, address: this.#address, draining: this.#draining ? 1 : 0 });
    // Its token, if the others took it for dead meanwhile.
    await restoreServerTokens(tx, this.name);
  }

  #write(work: (tx: Tx) => Promise<void>): Promise<void> {
    const turn = this.#turn.then(() => this.#core.store.write(work));
    // Whoever asked hears of a failure; the next one's turn comes all the same.
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

async function forget(tx: Tx, name: string): Promise<void> {
  await deleteServer(tx, name);
  await replaceServerTokens(tx, { of: name });
}

/** What one server knows of another. */
export interface KnownServer {
  readonly name: string;
  /** Where its gateway is reached; null without one. */
  readonly address: string | null;
  /** It is there and takes what is new. */
  readonly open: boolean;
}

/** The servers of this database. One that seems dead is among them for a while. */
export function knownServers(core: Pick<Core, "store">): Promise<KnownServer[]> {
  return core.store.read(async (db, now) => {
    const rows = await listServers(db);
    return rows.map(({ name, address, draining, seen_at }) => ({
      name,
      address,
      open: draining === 0 && seen_at >= ago(now, GONE_MS),
    }));
  });
}

/**
 * The tunnels that a user and a reservation have at other servers than `name`, as the database has it: one that was opened a
 * moment ago may be missing. Those of a server that seems dead do not count.
 */
export const tunnelsElsewhere = (
  core: Pick<Core, "store">,
  name: string,
  holder: { readonly userId: string; readonly reservationId: string },
): Promise<Held> =>
  core.store.read((db, now) => countOpenTunnels(db, holder, { server: name, seenSince: ago(now, GONE_MS) }));

const ago = (now: Date, ms: number): string => new Date(now.getTime() - ms).toISOString();

/** For a database that one server has for itself: the tokens of all others are good for nothing new. */
export function replaceOtherTokens(core: Pick<Core, "store">, name: string): Promise<void> {
  return core.store.write((tx) => replaceServerTokens(tx, { notOf: name }));
}
