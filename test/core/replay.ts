/**
 * A random workload through the real core: a fake driver, a clock that jumps from event to event, and after each step the
 * promises are held against what was told. The same seed gives the same workload.
 */
import { Problem } from "../../src/api/errors.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { wanted } from "../../src/core/lifecycle.ts";
import { reasonOf } from "../../src/core/plan/reason.ts";
import { makePlan, plannedOf } from "../../src/core/planning/planning.ts";
import { tell, unchanged } from "../../src/core/planning/promises.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import type { PlaceRow } from "../../src/store/plans.ts";
import type { ReservationRow } from "../../src/store/tables.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { randomFrom } from "../helpers/random.ts";
import type { World } from "./world.ts";

const MINUTE_MS = 60_000;
const REFUSED = { ok: false, cause: "refused", detail: "nothing listens" } as const;
const NODES = ["node-1", "node-2", "node-3"];
const PLACES = 4;

export interface Outcome {
  readonly steps: number;
  readonly started: number;
  readonly lost: number;
  /** What happened, without ids: equal for equal seeds. */
  readonly story: readonly string[];
}

/** Runs it; throws with the seed and the step when a promise is broken. The world's reconciler is started by this. */
export async function replay(world: World, seed: number, steps: number): Promise<Outcome> {
  const random = randomFrom(seed);
  const run = new Replay(world, random);
  await run.begin();
  for (let step = 0; step < steps; step++) {
    try {
      await run.step();
    } catch (cause) {
      throw new Error(`seed ${seed}, step ${step}: ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      });
    }
  }
  return run.outcome(steps);
}

const said = ({ planned_start_at, planned_nodes, promised_start_at, queue_deadline, reason }: PlaceRow) =>
  JSON.stringify([planned_start_at, planned_nodes, promised_start_at, queue_deadline, reason]);

/** A server that runs looks each half minute whether what should have started did, and says so if not. */
const afterPromise = ({ promised_start_at: at }: ReservationRow): string[] =>
  at === null ? [] : [1, 30_001].map((ms) => new Date(Date.parse(at) + ms).toISOString());

class Replay {
  readonly #world: World;
  readonly #random: () => number;
  readonly #told = new Map<string, string | null>();
  readonly #names = new Map<string, string>();
  readonly #story: string[] = [];
  #closed: string | undefined;
  #lost = 0;
  #started = 0;

  constructor(world: World, random: () => number) {
    this.#world = world;
    this.#random = random;
  }

  async begin(): Promise<void> {
    await this.#offer();
    this.#world.reconciler.start();
    await this.#world.reconciler.idle();
  }

  outcome(steps: number): Outcome {
    return { steps, started: this.#started, lost: this.#lost, story: this.#story };
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.45) await this.#arrive();
    else if (dice < 0.6) await this.#leave();
    else if (dice < 0.68) await this.#extend();
    else if (dice < 0.72) await this.#loseOrReturn();
    else if (dice < 0.77) this.#trouble();
    else await this.#pass();
    await this.#world.after(0);
    await this.#check();
  }

  async #arrive(): Promise<void> {
    const gang = this.#random() < 0.1;
    const gpu_count = gang ? 2 * PLACES : 1 + Math.floor(this.#random() * PLACES);
    const duration_s = 60 * (10 + Math.floor(this.#random() * 240));
    const ahead = this.#random() < 0.15 ? 30 + Math.floor(this.#random() * 300) : undefined;
    const start_at = ahead && new Date(this.#now + ahead * MINUTE_MS).toISOString();
    const caller = this.#random() < 0.5 ? this.#world.ann : this.#world.bob;
    const input = {
      gpu_count,
      duration_s,
      ...(gang ? { multi_node: true } : {}),
      ...(start_at ? { start_at } : {}),
    };
    try {
      const id = await this.#world.reserve(input, caller);
      this.#names.set(id, `r${this.#names.size}`);
      this.#say(`${this.#name(id)} wants ${gpu_count} for ${duration_s / 60} min ${start_at ?? ""}`);
    } catch (error) {
      if (!(error instanceof Problem && error.code === "taken_then")) throw error;
      this.#say(`${gpu_count} refused at ${start_at}`);
    }
  }

  async #leave(): Promise<void> {
    const row = this.#pick(await this.#rows("queued", "preparing", "active"));
    if (!row) return;
    this.#say(`${this.#name(row.id)} is cancelled`);
    await cancelReservation(this.#world.core, this.#owner(row), row.id);
  }

  async #extend(): Promise<void> {
    const row = this.#pick(await this.#rows("active"));
    if (!row) return;
    const wish =
      this.#random() < 0.5
        ? { extend_max: true as const }
        : { extend_s: 60 * (1 + Math.floor(this.#random() * 180)) };
    try {
      const { ends_at } = await patchReservation(this.#world.core, this.#owner(row), row.id, wish);
      this.#say(`${this.#name(row.id)} is extended until ${ends_at}`);
    } catch (error) {
      const refused = error instanceof Problem && ["over_promise", "over_maximum"].includes(error.code);
      if (!refused) throw error;
      this.#say(`${this.#name(row.id)} is not extended`);
    }
  }

  async #loseOrReturn(): Promise<void> {
    this.#closed = this.#closed === undefined ? NODES[Math.floor(this.#random() * NODES.length)] : undefined;
    this.#say(`closed: ${this.#closed ?? "none"}`);
    await this.#offer();
  }

  /** For a while pods cannot be taken away, or nobody can log in: what should have left is still there, or is long prepared. */
  #trouble(): void {
    const { driver } = this.#world;
    if (this.#random() < 0.5) {
      if (!driver.faults.delete("terminate"))
        driver.faults.set("terminate", new DriverError("the machine does not answer"));
      this.#say(`pods stay: ${driver.faults.has("terminate")}`);
    } else {
      this.#world.probe = this.#world.probe.ok ? REFUSED : { ok: true };
      this.#say(`logins: ${this.#world.probe.ok}`);
    }
  }

  /** To the next instant at which something is due, or a random one before it. */
  async #pass(): Promise<void> {
    const rows = await this.#rows("queued", "active");
    const due = rows
      .flatMap((r) => [r.planned_start_at, r.ends_at, ...afterPromise(r)])
      .filter((at) => at !== null)
      .map((at) => Date.parse(at))
      .filter((at) => at > this.#now);
    const next = due.length === 0 ? this.#now + 10 * MINUTE_MS : Math.min(...due);
    const part = this.#random() < 0.6 ? 1 : this.#random();
    await this.#world.after(Math.max(1, Math.round((next - this.#now) * part)));
  }

  /** No GPU is given twice, nobody starts or waits later than told unless that was said, and nobody waits who could run. */
  async #check(): Promise<void> {
    const places = (await this.#world.rows("allocations")).map((a) => `${a.node} ${a.gpu_index}`);
    if (new Set(places).size !== places.length) throw new Error("a GPU was given twice");
    const events = await this.#world.rows("events");
    for (const row of await this.#world.rows("reservations")) {
      const told = this.#told.get(row.id);
      const delays = events.filter((e) => e.reservation_id === row.id && e.type === "delayed").length;
      if (row.state === "queued") this.#checkPromise(row, told, delays);
      else if (row.placed_at !== null && told !== undefined && this.#told.delete(row.id)) {
        const why =
          events.findLast((e) => e.reservation_id === row.id && e.type === "preparing")?.detail ?? "";
        this.#checkStart(
          row,
          told,
          delays > (this.#delays.get(row.id) ?? 0) || why.includes("later than promised"),
        );
      }
    }
    await this.#checkPlan();
  }

  /** Planned again, the same comes out as is stored; and whoever could start now does not wait. */
  async #checkPlan(): Promise<void> {
    const { store } = this.#world.core;
    // What was just given comes back a little earlier than was planned, and what does not leave later and later: that is
    // planned with once the one is active, and the other gone or somebody's start due.
    const unsure = (await this.#rows("preparing", "ending")).length > 0;
    const { plan, waiting } = await store.read((db, now) => makePlan(db, "h100", now));
    // When it counts with less than before, others may take what the one behind it counts on.
    if (unsure && [...plan.planned.values()].some(({ lost }) => lost !== undefined)) return;
    for (const row of waiting.values()) {
      const its = plannedOf(plan, row.id);
      if (its.startsNow) throw new Error(`${this.#name(row.id)} could run and waits`);
      const { place, loss } = tell(row, its, reasonOf(plan, row.id, wanted(row)));
      if (!unsure && (loss !== undefined || !unchanged(row, place)))
        throw new Error(`${this.#name(row.id)} is planned as ${said(row)}, and again as ${said(place)}`);
      this.#say(`${this.#name(row.id)}: ${said(row)}`);
    }
  }

  readonly #delays = new Map<string, number>();

  #checkPromise(row: ReservationRow, told: string | null | undefined, delays: number): void {
    const said = delays > (this.#delays.get(row.id) ?? 0);
    const later = told != null && (row.promised_start_at === null || row.promised_start_at > told);
    if (later && !said)
      throw new Error(`${this.#name(row.id)} was told ${told}, now ${row.promised_start_at}`);
    if (said) this.#lost += 1;
    if (said && !this.#everLost) throw new Error(`${this.#name(row.id)} lost its place without a loss`);
    this.#delays.set(row.id, delays);
    this.#told.set(row.id, row.promised_start_at);
  }

  #checkStart(row: ReservationRow, told: string | null, excused: boolean): void {
    this.#started += 1;
    const late = told !== null && (row.placed_at ?? "") > told;
    if (late && !(excused && this.#everLost))
      throw new Error(`${this.#name(row.id)} was told ${told}, started ${row.placed_at}`);
  }

  get #everLost(): boolean {
    return this.#story.some((line) => line.includes("closed: node") || line.includes("pods stay: true"));
  }

  async #offer(): Promise<void> {
    this.#world.driver.nodes = NODES.map((node) => ({
      ...h100(PLACES, node),
      healthy: node !== this.#closed,
    }));
    await syncCapacity(this.#world.core);
  }

  async #rows(...states: ReservationRow["state"][]): Promise<ReservationRow[]> {
    const rows = await this.#world.rows("reservations");
    return rows.filter((r) => states.includes(r.state)).sort((a, b) => a.seq - b.seq);
  }

  #pick(rows: readonly ReservationRow[]): ReservationRow | undefined {
    return rows[Math.floor(this.#random() * rows.length)];
  }

  #owner(row: ReservationRow) {
    return row.owner_id === this.#world.ann.id ? this.#world.ann : this.#world.bob;
  }

  #name(id: string): string {
    return this.#names.get(id) ?? id;
  }

  #say(line: string): void {
    this.#story.push(`${new Date(this.#now).toISOString()} ${line}`);
  }

  get #now(): number {
    return this.#world.clock.now().getTime();
  }
}
