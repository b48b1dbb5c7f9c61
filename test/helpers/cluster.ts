/**
 * Several real servers on one PostgreSQL and one data directory, killed and started again at random while users create, extend and
 * cancel through whichever is there. A request that a kill breaks off is sent again, with its key, to another server.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { BadReply, type Client, createClient, RefusedRequest } from "../../src/api/client.ts";
import type { Acknowledged } from "./acknowledged.ts";
import { randomFrom } from "./random.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

export interface ClusterOptions {
  readonly home: string;
  readonly databaseUrl: string;
  /** Of the user; good on every server. */
  readonly token: string;
  readonly publicKey: string;
  readonly seed: number;
  readonly servers: number;
  readonly forMs: number;
  /** At most this long between one kill and the next. */
  readonly betweenKillsMs: number;
  log(line: string): void;
}

export interface Cluster {
  /** A client of one that runs. */
  readonly api: Client;
  readonly kills: number;
  readonly repeated: number;
  readonly extended: number;
  /** Starts those that are dead; then all run. */
  heal(): Promise<void>;
  stop(): Promise<void>;
  logs(): string;
}

const DEAD = Symbol("dead");
const MAX_LIVE = 8;
const LEAST = 5;
/** This part of all is never cancelled: they expire, if there is time for it. */
const LEFT_ALONE = 0.05;

/** Runs users and kills until the time is over. Throws what a user must not see: a 500, or a refusal without a reason. */
export async function runCluster(options: ClusterOptions, seen: Acknowledged): Promise<Cluster> {
  const cluster = new Servers(options);
  await cluster.heal();
  await cluster.api.createKey({ body: { public_key: options.publicKey } });
  const until = Date.now() + options.forMs;
  const killing = cluster.killUntil(until, randomFrom(options.seed));
  const users = Array.from({ length: 3 }, (_, n) =>
    use(cluster, seen, until, randomFrom(options.seed + 1 + n)),
  );
  await Promise.all([killing, ...users]);
  return cluster;
}

class Servers implements Cluster {
  readonly #options: ClusterOptions;
  readonly #slots: (ServerProcess | typeof DEAD)[];
  readonly #ended: string[] = [];
  kills = 0;
  repeated = 0;
  extended = 0;
  readonly leftAlone = new Set<string>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.servers }, () => DEAD);
  }

  get #running(): ServerProcess[] {
    return this.#slots.filter((slot) => slot !== DEAD);
  }

  get api(): Client {
    const [first] = this.#running;
    if (!first) throw new Error("no server runs");
    return this.#client(first);
  }

  async heal(): Promise<void> {
    await Promise.all(this.#slots.map((slot, n) => (slot === DEAD ? this.#start(n) : undefined)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map((server) => server.stop()));
  }

  logs(): string {
    return [...this.#ended, ...this.#running.map((server) => server.log())].join("\n---\n");
  }

  async #start(n: number): Promise<void> {
    const { home, databaseUrl } = this.#options;
    const env = { GPU_DEV_DATABASE: databaseUrl };
    this.#slots[n] = await startServerProcess({ home, args: ["--simulate", "h100:3"], env });
  }

  async killUntil(until: number, random: () => number): Promise<void> {
    while (Date.now() < until) {
      await pause(random() * this.#options.betweenKillsMs);
      const n = Math.floor(random() * this.#slots.length);
      const slot = this.#slots[n];
      if (slot === undefined || slot === DEAD) continue;
      this.#slots[n] = DEAD;
      await slot.kill();
      this.kills += 1;
      this.#ended.push(slot.log());
      if (this.kills % 20 === 0) this.#options.log(`${this.kills} kills`);
      // Half of the dead stay away for a while, so that there are two or one at times.
      if (random() < 0.5) await pause(random() * this.#options.betweenKillsMs);
      await this.heal();
    }
  }

  #client(server: ServerProcess): Client {
    return createClient({ url: server.url, token: this.#options.token, fetch, version: "99.0.0-test" });
  }

  /** `call` on a server at random, again on another one when that broke off. */
  async ask<T>(random: () => number, call: (api: Client) => Promise<T>): Promise<T> {
    for (;;) {
      const running = this.#running;
      const server = running[Math.floor(random() * running.length)];
      if (!server) {
        await pause(20);
        continue;
      }
      try {
        return await call(this.#client(server));
      } catch (error) {
        if (!brokeOff(error)) throw error;
        this.repeated += 1;
        await pause(20);
      }
    }
  }
}

const brokeOff = (error: unknown): boolean =>
  error instanceof TypeError ||
  error instanceof BadReply ||
  (error instanceof RefusedRequest && error.problem.retryable);

async function use(cluster: Servers, seen: Acknowledged, until: number, random: () => number): Promise<void> {
  // A machine that is busy does little in the time: some has to happen before this proves anything.
  while (Date.now() < until || seen.created.size < LEAST) {
    const live = [...seen.created].filter((id) => !seen.cancelled.has(id) && !cluster.leftAlone.has(id));
    const wish = random();
    if (live.length >= MAX_LIVE || (live.length > 0 && wish < 0.3))
      await cancelOne(cluster, seen, live, random);
    else if (live.length > 0 && wish < 0.5) await extendOne(cluster, live, random);
    else await createOne(cluster, seen, random);
    await pause(random() * 200);
  }
}

async function createOne(cluster: Servers, seen: Acknowledged, random: () => number): Promise<void> {
  const body =
    random() < 0.4
      ? { gpu_type: "cpu", duration_s: 60 }
      : { gpu_type: "h100", gpu_count: 1 + Math.floor(random() * 2), duration_s: 60 };
  const idempotencyKey = randomUUID();
  const made = await cluster.ask(random, (api) => api.createReservation({ body, idempotencyKey }));
  if (random() < LEFT_ALONE) cluster.leftAlone.add(made.id);
  seen.created.add(made.id);
}

async function cancelOne(
  cluster: Servers,
  seen: Acknowledged,
  live: readonly string[],
  random: () => number,
): Promise<void> {
  const id = live[Math.floor(random() * live.length)] ?? "";
  await tolerated(cluster.ask(random, (api) => api.cancelReservation({ params: { id } })));
  seen.cancelled.add(id);
}

async function extendOne(cluster: Servers, live: readonly string[], random: () => number): Promise<void> {
  const id = live[Math.floor(random() * live.length)] ?? "";
  const extended = cluster.ask(random, (api) =>
    api.patchReservation({ params: { id }, body: { extend_s: 1 + Math.floor(random() * 20) } }),
  );
  if (await tolerated(extended)) cluster.extended += 1;
}

/** It is not active yet or any more, or somebody waits for its GPUs: answers, with a reason each. */
export async function tolerated(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (error instanceof RefusedRequest && [409, 410].includes(error.problem.status)) return false;
    throw error;
  }
}
