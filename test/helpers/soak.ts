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
import { RefusedRequest } from "../../src/api/client.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { PREPARING_MS } from "../../src/core/lifecycle.ts";
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
  /** What else is hit in the time that a server lives. */
  strike(random: () => number): Promise<void>;
  /** Whether a reservation may have failed by that. */
  mayFail(reservation: Reservation): boolean;
  /** Whether there is a pod for each active reservation, and none beside. */
  podsMatch(all: Reservation[]): Promise<boolean>;
  nothingLeft(): Promise<boolean>;
}

const dataDirectory = (home: string): Ground => ({
  args: [],
  strike: async () => undefined,
  mayFail: () => false,
  podsMatch: async (all) => podsMatch({ home }, all),
  nothingLeft: async () => nothingLeft(home),
});

/** One for each who chooses. */
type Dices = Readonly<Record<"kills" | "users" | "strikes", () => number>>;
type Soak = SoakOptions & { readonly ground: Ground };

/** What the server said yes to. */
export interface Acknowledged {
  readonly created: Set<string>;
  readonly cancelled: Set<string>;
}

export const FINAL: ReadonlySet<string> = new Set(["expired", "cancelled", "failed"]);
const SIMULATED = { gpuType: "h100", count: 3 };

/** Runs it all; throws with the seed's story when a promise is broken. */
export async function soak(given: SoakOptions): Promise<void> {
  const options: Soak = { ground: dataDirectory(given.home), ...given };
  const random = randomFrom(options.seed);
  const seen: Acknowledged = { created: new Set(), cancelled: new Set() };
  let aheadMs = 0;
  for (let round = 1; round <= options.kills; round += 1) {
    // Choices and instants come from generators of their own, so that none shifts the others in a replay.
    const [users, strikes] = [randomFrom(options.seed + round), randomFrom(options.seed - round)];
    await killedRound(options, seen, aheadMs, { kills: random, users, strikes });
    // Reservations last at least a minute: a jump makes some of them expire during the next round.
    if (random() < 0.3) aheadMs += 50_000 + Math.floor(random() * 20_000);
    if (round % 10 === 0) {
      await settled(options, seen, aheadMs);
      options.log(`${round} kills: ${seen.created.size} acknowledged, ${seen.cancelled.size} cancelled`);
    }
  }
  if (seen.created.size < options.kills / 2)
    throw new Error("too little happened for this to prove anything");
  await finish(options, seen, aheadMs);
}

async function killedRound(options: Soak, seen: Acknowledged, aheadMs: number, random: Dices): Promise<void> {
  const { child, ready } = launchServer(serverOptions(options, aheadMs));
  const users = ready.then((server) => act(server, options, seen, random.users)).catch(whyItStopped);
  await Promise.all([killServer(child, ready, random.kills), options.ground.strike(random.strikes)]);
  const cause = await users;
  if (child.signalCode === null) throw new Error("the server ended by itself", { cause });
}

async function killServer(child: ChildProcess, ready: Promise<unknown>, random: () => number): Promise<void> {
  // A quarter of the kills falls into the start, the others into what users do then.
  const [early, after] = [random() < 0.25, random()];
  if (early) await pause(after * 800);
  else await ready.then(() => pause(after * 1500)).catch(whyItStopped);
  const exited = child.exitCode === null ? once(child, "exit") : undefined;
  child.kill("SIGKILL");
  await exited;
}

/** A killed server breaks off what its users do; anything else is a finding. */
function whyItStopped(error: unknown): unknown {
  if (error instanceof RefusedRequest && error.problem.status === 500) throw error;
  return error;
}

const serverOptions = (options: Soak, aheadMs: number) => ({
  home: options.home,
  aheadMs,
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
async function cancel(server: ServerProcess, id: string): Promise<void> {
  try {
    await server.api.cancelReservation({ params: { id } });
  } catch (error) {
    if (!(error instanceof RefusedRequest && error.problem.code === "not_active")) throw error;
  }
}

/** All that its user ever had. */
export async function allReservations(server: Pick<ServerProcess, "api">): Promise<Reservation[]> {
  const all: Reservation[] = [];
  let cursor: string | null = null;
  do {
    const query = { state: "all", limit: "500", ...(cursor === null ? {} : { cursor }) } as const;
    const page: { items: Reservation[]; next_cursor: string | null } = await server.api.listReservations({
      query,
    });
    all.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return all;
}

/** Starts the server, lets it recover, checks every promise, and stops it. */
async function settled(options: Soak, seen: Acknowledged, aheadMs: number): Promise<void> {
  const server = await startServerProcess(serverOptions(options, aheadMs));
  try {
    await until("nothing is under way", async () =>
      (await allReservations(server)).every((r) => r.state !== "preparing" && r.state !== "ending"),
    );
    await until("the pods are those of the active ones", async () =>
      options.ground.podsMatch(await allReservations(server)),
    );
    checkPromises(seen, await allReservations(server), options.ground.mayFail);
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${(error as Error).message}\n${server.log()}`, { cause: error });
  } finally {
    await server.stop();
  }
}

/** What was acknowledged is so, nothing failed but what may, and no GPU is given twice. */
export function checkPromises(
  seen: Acknowledged,
  all: Reservation[],
  mayFail: (reservation: Reservation) => boolean = () => false,
): void {
  const byId = new Map(all.map((r) => [r.id, r]));
  for (const id of seen.created) if (!byId.has(id)) throw new Error(`${id} was acknowledged and is lost`);
  for (const id of seen.cancelled)
    if (!FINAL.has(byId.get(id)?.state ?? ""))
      throw new Error(`${id} was cancelled and is ${byId.get(id)?.state}`);
  const failed = all.filter((r) => r.state === "failed" && !hadItsTime(r) && !mayFail(r));
  if (failed.length > 0)
    throw new Error(`a kill made a reservation fail: ${failed[0]?.id} ${failed[0]?.reason}`);
  const gpus = all
    .filter((r) => !FINAL.has(r.state))
    .flatMap((r) => r.gpus.map((g) => `${r.node} ${r.gpu_type} ${g}`));
  if (new Set(gpus).size !== gpus.length) throw new Error(`a GPU was given twice: ${gpus.join(", ")}`);
}

/** A clock that jumps may use up what a pod has to start in, and a slow machine too, when no server lives long enough to start it. */
const hadItsTime = ({ reason, created_at, ended_at }: Reservation): boolean =>
  reason?.startsWith("not ready in time") === true &&
  Date.parse(ended_at ?? "") - Date.parse(created_at) >= PREPARING_MS;

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

/** Cancels what is left, and proves that nothing remains. */
async function finish(options: Soak, seen: Acknowledged, aheadMs: number): Promise<void> {
  await settled(options, seen, aheadMs);
  const server = await startServerProcess(serverOptions(options, aheadMs));
  for (const r of await allReservations(server)) if (!FINAL.has(r.state)) await cancel(server, r.id);
  await until("everything ended", async () =>
    (await allReservations(server)).every((r) => FINAL.has(r.state)),
  );
  const used = (await server.api.listAvailability({ query: {} })).items.filter((a) => a.used > 0);
  if (used.length > 0) throw new Error(`still allocated: ${JSON.stringify(used)}`);
  await server.stop();
  await until("nothing is left", () => options.ground.nothingLeft());
}

/** Neither a pod nor a process nor a mount is there. */
export function nothingLeft(home: string): boolean {
  const folder = join(home, "data", "pods");
  const pods = existsSync(folder) ? readdirSync(folder) : [];
  return pods.length + processesNaming(home).length + mountsBelow(home).length === 0;
}

/** Polls a real condition of the outside; the limit is a guard against hanging. */
export async function until(what: string, holds: () => Promise<boolean>, limitMs = 120_000): Promise<void> {
  const limit = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > limit) throw new Error(`waited ${limitMs / 1000} s in vain: ${what}`);
    await pause(50);
  }
}
