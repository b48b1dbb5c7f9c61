/**
 * Kills the server at random instants while users create, wait, cancel and let expire, starts it again, and then counts:
 * every acknowledged reservation is there, no pod or process or directory is left over, no GPU was given twice (L-05).
 */
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Client, RefusedRequest } from "../../src/api/client.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { type Acknowledged, allReservations, checkPromises, FINAL } from "./acknowledged.ts";
import { Finding } from "./disk-book.ts";
import { mountsBelow, processesNaming } from "./processes.ts";
import { randomFrom } from "./random.ts";
import { launchServer, type ServerProcess, startServerProcess } from "./server-process.ts";

export interface SoakOptions {
  readonly home: string;
  readonly seed: number;
  readonly kills: number;
  readonly publicKey: string;
  /** Where the pods are; by default in the data directory. */
  readonly ground?: Ground;
  log(line: string): void;
}

/** Where pods are, as seen from outside of the server. */
export interface Ground {
  /** More of the server's flags. */
  readonly args: readonly string[];
  /** What else is hit in the time that a server lives, which is about that long. */
  strike(random: () => number, roundMs: number): Strike;
  /** Whether a reservation may have failed by that. */
  mayFail(reservation: Reservation): boolean;
  /** Whether there is a pod for each active reservation, and none beside. */
  podsMatch(all: Reservation[]): Promise<boolean>;
  nothingLeft(): Promise<boolean>;
  readonly crowd?: Crowd;
}

export interface Strike {
  readonly over: Promise<void>;
  /** It waits for something that a server does, which lives until then. */
  readonly ofWork: boolean;
}

/** More users, with more wishes. */
export interface Crowd {
  /** All who reserve, the soak's own user among them. */
  clients(server: ServerProcess): Client[];
  /** Gives them what they begin with. */
  begin(server: ServerProcess): Promise<void>;
  /** What they do as long as the server lives; a Finding is one, anything else is that it does not live. */
  act(server: ServerProcess, random: () => number): Promise<unknown>;
  /** Throws when something is not as they were told, on a server that lives on. */
  check(server: ServerProcess): Promise<void>;
  /** Gives up what they have, without reservations by now; ms by which the clock has to go on until it is gone. */
  leave(server: ServerProcess): Promise<number>;
  /** Whether all that is gone. */
  gone(): Promise<boolean>;
}

const dataDirectory = (home: string): Ground => ({
  args: [],
  strike: () => ({ over: Promise.resolve(), ofWork: false }),
  mayFail: () => false,
  podsMatch: async (all) => podsMatch({ home }, all),
  nothingLeft: async () => nothingLeft(home),
});

/** One for each who chooses. */
type Dices = Readonly<Record<"kills" | "users" | "strikes" | "crowd", () => number>>;
type Soak = SoakOptions & { readonly ground: Ground; startMs: number };

/** As long as none has been seen. */
const FIRST_START_MS = 800;
const LONGEST_LIFE_MS = 6000;
/** What a killed server had in hand is nobody else's for so long. */
const LEASE_MS = 15_000;
const SIMULATED = { gpuType: "h100", count: 3 };

/** Runs it all; throws with the seed's story when a promise is broken. */
export async function soak(given: SoakOptions): Promise<void> {
  const options: Soak = { ground: dataDirectory(given.home), ...given, startMs: FIRST_START_MS };
  const random = randomFrom(options.seed);
  const seen: Acknowledged = { created: new Set(), cancelled: new Set() };
  let aheadMs = 0;
  await begin(options);
  for (let round = 1; round <= options.kills; round += 1) {
    // Choices and instants come from generators of their own, so that none shifts the others in a replay.
    const [users, strikes] = [randomFrom(options.seed + round), randomFrom(options.seed - round)];
    const crowd = randomFrom(options.seed ^ round);
    await killedRound(options, seen, aheadMs, { kills: random, users, strikes, crowd });
    // Reservations last at least a minute: a jump makes some of them expire during the next round.
    if (random() < 0.3) aheadMs += 50_000 + Math.floor(random() * 20_000);
    if (round % 10 === 0 || round === options.kills) {
      aheadMs += LEASE_MS;
      await settled(options, seen, aheadMs);
      options.log(`${round} kills: ${seen.created.size} acknowledged, ${seen.cancelled.size} cancelled`);
    }
  }
  if (seen.created.size < options.kills / 2)
    throw new Error("too little happened for this to prove anything");
  await finish(options, aheadMs);
}

/** What takes long the first time only is not what is killed each time. */
async function begin(options: Soak): Promise<void> {
  const server = await startServerProcess(serverOptions(options, 0));
  try {
    await options.ground.crowd?.begin(server);
  } finally {
    await server.stop();
  }
}

async function killedRound(options: Soak, seen: Acknowledged, aheadMs: number, random: Dices): Promise<void> {
  const { ground, startMs } = options;
  const began = performance.now();
  const { child, ready } = launchServer(serverOptions(options, aheadMs));
  const started = ready.then(() => {
    options.startMs = performance.now() - began;
  });
  // Whoever waits for it hears of it.
  started.catch(() => undefined);
  const users = ready.then((server) => actTogether(server, options, seen, random)).catch(whyItStopped);
  const strike = ground.strike(random.strikes, startMs + lifeMs(startMs));
  await Promise.all([killServer(child, started, { random: random.kills, startMs, strike }), strike.over]);
  const cause = await users;
  if (child.signalCode === null) throw new Error("the server ended by itself", { cause });
}

/** Waits for all, so that nothing of them goes on beside the next server. Throws a finding before what is none. */
async function actTogether(server: ServerProcess, options: Soak, seen: Acknowledged, random: Dices) {
  const all = await Promise.allSettled([
    act(server, options, seen, random.users),
    options.ground.crowd?.act(server, random.crowd),
  ]);
  const why = all.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  throw why.find((error) => error instanceof Finding) ?? why[0];
}

async function killServer(
  child: ChildProcess,
  ready: Promise<unknown>,
  { random, startMs, strike }: { random: () => number; startMs: number; strike: Strike },
): Promise<void> {
  // A quarter of the kills falls into the start, the others into what users do then.
  const [early, after] = [random() < 0.25, random()];
  if (strike.ofWork) await strike.over.then(() => pause(after * startMs));
  else if (early) await pause(after * startMs);
  else await ready.then(() => pause(after * lifeMs(startMs))).catch(whyItStopped);
  const exited = child.exitCode === null ? once(child, "exit") : undefined;
  child.kill("SIGKILL");
  await exited;
}

/** A machine that starts a server slowly does all else slowly too. */
const lifeMs = (startMs: number): number => Math.min(3 * startMs, LONGEST_LIFE_MS);

/** A killed server breaks off what its users do; anything else is a finding. */
function whyItStopped(error: unknown): unknown {
  if (error instanceof Finding) throw error;
  if (error instanceof RefusedRequest && error.problem.status === 500) throw error;
  return error;
}

const serverOptions = (options: Soak, aheadMs: number) => ({
  home: options.home,
  aheadMs,
  // What a killed one did not write there, those that are stopped do.
  env: { NODE_COMPILE_CACHE: join(options.home, "compiled") },
  args: ["--simulate", `${SIMULATED.gpuType}:${SIMULATED.count}`, ...options.ground.args],
});

async function act(
  server: ServerProcess,
  options: Soak,
  seen: Acknowledged,
  random: () => number,
): Promise<void> {
  await server.api.createKey({ body: { public_key: options.publicKey } });
  for (;;) {
    const live = [...seen.created].filter((id) => !seen.cancelled.has(id));
    if (live.length >= 6 || (live.length > 0 && random() < 0.4)) await cancelOne(server, seen, live, random);
    else await createOne(server, seen, random);
    await pause(random() * 300);
  }
}

async function createOne(server: ServerProcess, seen: Acknowledged, random: () => number): Promise<void> {
  const body =
    random() < 0.5
      ? { gpu_type: "cpu", duration_s: 60 }
      : { gpu_type: SIMULATED.gpuType, gpu_count: 1 + Math.floor(random() * 2), duration_s: 60 };
  const made = await server.api.createReservation({ body, idempotencyKey: randomUUID() });
  seen.created.add(made.id);
}

async function cancelOne(
  server: ServerProcess,
  seen: Acknowledged,
  live: string[],
  random: () => number,
): Promise<void> {
  const id = live[Math.floor(random() * live.length)] ?? "";
  await cancel(server, id);
  seen.cancelled.add(id);
}

/** It may expire first: that is an end too. */
async function cancel(server: Pick<ServerProcess, "api">, id: string): Promise<void> {
  try {
    await server.api.cancelReservation({ params: { id } });
  } catch (error) {
    if (!(error instanceof RefusedRequest && error.problem.code === "not_active")) throw error;
  }
}

/** Of all users. */
async function everything({ ground }: Soak, server: ServerProcess): Promise<Reservation[]> {
  const clients = ground.crowd?.clients(server) ?? [server.api];
  return (await Promise.all(clients.map((api) => allReservations({ api })))).flat();
}

/** Starts the server, lets it recover, checks every promise, and stops it. */
async function settled(options: Soak, seen: Acknowledged, aheadMs: number): Promise<void> {
  const server = await startServerProcess(serverOptions(options, aheadMs));
  try {
    await until("nothing is under way", async () =>
      (await everything(options, server)).every((r) => r.state !== "preparing" && r.state !== "ending"),
    );
    await until("the pods are those of the active ones", async () =>
      options.ground.podsMatch(await everything(options, server)),
    );
    await options.ground.crowd?.check(server);
    checkPromises(seen, await everything(options, server), options.ground.mayFail);
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${(error as Error).message}\n${server.log()}`, { cause: error });
  } finally {
    await server.stop();
  }
}

/** One pod directory and at least one process for each active reservation, and none beside. */
export function podsMatch(options: { readonly home: string }, all: Reservation[]): boolean {
  const expected = all.filter((r) => r.state === "active").map((r) => `${r.id}-${r.attempt}`);
  const folder = join(options.home, "data", "pods");
  const found = existsSync(folder) ? readdirSync(folder) : [];
  return (
    expected.sort().join() === found.sort().join() &&
    expected.every((name) => processesNaming(join(folder, name)).length > 0)
  );
}

/** Ends what is left, and proves that nothing remains. */
async function finish(options: Soak, aheadMs: number): Promise<void> {
  const server = await startServerProcess(serverOptions(options, aheadMs));
  const { crowd } = options.ground;
  for (const api of crowd?.clients(server) ?? [server.api])
    for (const r of await allReservations({ api })) if (!FINAL.has(r.state)) await cancel({ api }, r.id);
  await until("everything ended", async () =>
    (await everything(options, server)).every((r) => FINAL.has(r.state)),
  );
  const used = (await server.api.listAvailability({ query: {} })).items.filter((a) => a.used > 0);
  if (used.length > 0) throw new Error(`still allocated: ${JSON.stringify(used)}`);
  const moreMs = await crowd?.leave(server);
  await server.stop();
  if (moreMs !== undefined) await forgotten(options, aheadMs + moreMs);
  await until("nothing is left", () => options.ground.nothingLeft());
}

/** What its users gave up goes when its time is over. */
async function forgotten(options: Soak, aheadMs: number): Promise<void> {
  const server = await startServerProcess(serverOptions(options, aheadMs));
  await until("what was given up is gone", async () => options.ground.crowd?.gone() ?? true);
  await server.stop();
}

/** Neither a pod nor a process nor a mount is there. */
export function nothingLeft(home: string): boolean {
  const folder = join(home, "data", "pods");
  const pods = existsSync(folder) ? readdirSync(folder) : [];
  return pods.length + processesNaming(home).length + mountsBelow(home).length === 0;
}

/** Polls a real condition of the outside; the limit is a guard against hanging. */
export async function until(what: string, holds: () => Promise<boolean>, limitMs = 300_000): Promise<void> {
  const limit = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > limit) throw new Error(`waited ${limitMs / 1000} s in vain: ${what}`);
    await pause(50);
  }
}
