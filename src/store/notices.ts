/**
 * Tells other servers on the same PostgreSQL which reservations were changed (LISTEN and NOTIFY). It only makes them look earlier:
 * a notice that is lost, or a pooler that passes none on, costs the time until they look by themselves.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { sql } from "kysely";
import pg from "pg";
import { Sockets } from "./sockets.ts";
import type { Db } from "./tables.ts";

export interface Watcher {
  /** These were changed, by this process or elsewhere. */
  changed(ids: readonly string[], elsewhere: boolean): void;
  /** Why notices do not arrive; undefined when they do again. */
  trouble(error: unknown): void;
}

export interface Notices {
  /** Sent with the transaction, or not at all. */
  send(tx: Db, ids: readonly string[]): Promise<void>;
  /** Hears others until it is closed, over broken connections too. */
  listen(watcher: Watcher): { close(): Promise<void> };
}

const CHANNEL = "gpu_dev_changes";
/** A notice has at most 8,000 bytes. */
const IDS_IN_ONE = 200;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const CONNECT_MS = 10_000;

/** Notices over the database at `url`. */
export function createNotices(url: string): Notices {
  const self = randomUUID();
  return {
    async send(tx, ids) {
      for (let i = 0; i < ids.length; i += IDS_IN_ONE) {
        const notice = [self, ...ids.slice(i, i + IDS_IN_ONE)].join(" ");
        await sql`select pg_notify(${CHANNEL}, ${notice})`.execute(tx);
      }
    },
    listen(watcher) {
      const closing = new AbortController();
      const running = hear(url, self, watcher, closing.signal);
      return {
        async close() {
          closing.abort();
          await running;
        },
      };
    },
  };
}

async function hear(url: string, self: string, watcher: Watcher, closing: AbortSignal): Promise<void> {
  let troubled = false;
  for (let pauseMs = FIRST_PAUSE_MS; !closing.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      await hearOnce(url, self, watcher, closing, () => {
        if (troubled) watcher.trouble(undefined);
        troubled = false;
        pauseMs = FIRST_PAUSE_MS;
      });
    } catch (error) {
      if (!troubled) watcher.trouble(error);
      troubled = true;
    }
    await pause(pauseMs, undefined, { signal: closing }).catch(whenClosed);
  }
}

/** Aborting a pause is how it is ended; there is nothing else that it could reject with. */
const whenClosed = (): void => undefined;

/** One connection from its opening to its end. Rejects when it breaks, resolves when it is closed. */
async function hearOnce(
  url: string,
  self: string,
  watcher: Watcher,
  closing: AbortSignal,
  onHearing: () => void,
): Promise<void> {
  const sockets = new Sockets();
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    stream: sockets.create,
    keepAlive: true,
    application_name: "gpu-dev notices",
  });
  const over = Promise.withResolvers<void>();
  client.on("error", over.reject);
  client.on("end", () => over.reject(new Error("the connection for notices ended")));
  client.on("notification", ({ payload = "" }) => {
    const [sender, ...ids] = payload.split(" ");
    if (sender !== self) watcher.changed(ids, true);
  });
  const stop = (): void => over.resolve();
  closing.addEventListener("abort", stop);
  const hearing = client.connect().then(() => client.query(`listen ${CHANNEL}`));
  hearing.then(onHearing, over.reject);
  try {
    await over.promise;
  } finally {
    closing.removeEventListener("abort", stop);
    await sockets.closed(client.end());
  }
}
