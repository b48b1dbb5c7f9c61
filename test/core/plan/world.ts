/** A cluster on paper: it runs what the plan starts, with a clock, and everything that can happen to it happens by a seed. */

import { PREPARING_MS } from "../../../src/core/lifecycle.ts";
import {
  carried,
  freeAfter,
  type PlanHold,
  type PlanNode,
  type Planned,
  type PlanRequest,
} from "../../../src/core/plan/model.ts";
import type { NodeChange, PlanChange } from "../../../src/core/plan.ts";
import { randomFrom } from "../../helpers/random.ts";

const MINUTE = 60_000;
const OWNERS = ["ann", "bob", "cy"];
/** Some have two nodes, some one. */
const hostOf = (node: string): string => `host-${Number(node.slice(1)) % 4}`;

export interface Running {
  readonly id: string;
  readonly nodes: readonly string[];
  readonly places: number;
  freeAt: number | undefined;
  /** When it really goes. */
  endsAt: number;
}

const holdsOf = ({ nodes, places, freeAt }: Running): PlanHold[] =>
  nodes.map((node) => ({ node, places, freeAt }));

export class World {
  now = Date.parse("2026-01-05T08:00:00.000Z");
  readonly nodes = new Map<string, PlanNode>();
  readonly running = new Map<string, Running>();
  readonly queue = new Map<string, PlanRequest>();
  readonly shares = new Map<string, number>();
  /** Nodes on which capacity was lost in this step: only who was there may be told a later start. */
  readonly lossy = new Set<string>();
  readonly random: () => number;
  #touched = new Set<string>();
  #arrived: PlanRequest[] = [];
  #left: string[] = [];
  #seq = 0;
  readonly #most: number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.#most = this.pick([1, 2, 4, 8]);
    const count = 1 + this.below(5);
    for (let i = 0; i < count; i++) this.#setNode(`n${i}`, this.#most, true);
  }

  get holds(): PlanHold[] {
    return [...this.running.values()].flatMap(holdsOf);
  }

  /** The same, but one of them is given back at another time. */
  holdsBut(id: string, freeAt: number): PlanHold[] {
    const running = this.running.get(id);
    const others = [...this.running.values()].filter((r) => r !== running);
    return [...others, ...(running ? [{ ...running, freeAt }] : [])].flatMap(holdsOf);
  }

  /** The queue as the next plan would get it, if nobody started. */
  told(planned: ReadonlyMap<string, Planned>): PlanRequest[] {
    return [...this.queue.values()].map((request) => {
      const its = planned.get(request.id);
      return its ? carried(request, its) : request;
    });
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  /** Something happens, and time passes; what changed since the last step. */
  step(): PlanChange {
    this.lossy.clear();
    for (const owner of OWNERS) this.shares.set(owner, this.below(5));
    this.#pass();
    const events = 1 + this.below(3);
    for (let i = 0; i < events; i++) this.#happen();
    const nodes: NodeChange[] = [...this.#touched].map((name) => ({
      node: this.nodes.get(name) ?? { node: name, places: 0, open: false },
      holds: this.holds.filter((hold) => hold.node === name),
    }));
    const change = { now: this.now, nodes, arrived: this.#arrived, left: this.#left, shares: this.shares };
    this.#touched = new Set();
    this.#arrived = [];
    this.#left = [];
    return change;
  }

  /** Starts what is to start now, and keeps what was promised. */
  follow(planned: ReadonlyMap<string, Planned>): void {
    for (const [id, request] of this.queue) {
      const its = planned.get(id);
      if (!its) throw new Error(`no plan for ${id}`);
      if (its.startsNow) this.#start(request, its);
      else this.queue.set(id, carried(request, its));
    }
  }

  #start(request: PlanRequest, { nodes }: Planned): void {
    this.queue.delete(request.id);
    this.#left.push(request.id);
    const freeAt = freeAfter(this.now + PREPARING_MS, request.durationS);
    // Most end before their time, some at it, a few later.
    const length = (freeAt - this.now) * this.pick([0.1, 0.4, 0.8, 1, 1, 1.02]);
    this.running.set(request.id, {
      id: request.id,
      nodes,
      places: request.places,
      freeAt,
      endsAt: this.now + length,
    });
    this.#touch(nodes);
  }

  /** Time passes until the next thing would happen, or a little, or far too long. */
  #pass(): void {
    const instants = [...this.running.values()].map((r) => r.endsAt);
    for (const request of this.queue.values()) if (request.place) instants.push(request.place.start);
    const next = Math.min(...instants.filter((at) => at > this.now));
    const away = this.random() < 0.02;
    const short = this.now + this.below(10 * MINUTE);
    if (away) this.now += this.below(120 * MINUTE);
    else
      this.now = Number.isFinite(next) && this.random() < 0.8 ? next + this.below(2) : Math.min(short, next);
    for (const r of this.running.values()) if (r.endsAt <= this.now) this.#end(r);
    for (const r of this.running.values())
      if ((r.freeAt ?? 0) <= this.now) for (const node of r.nodes) this.lossy.add(node);
    for (const { place, promised = Number.POSITIVE_INFINITY } of this.queue.values())
      if (place && (place.start + MINUTE < this.now || promised < this.now))
        for (const node of place.nodes) this.lossy.add(node);
  }

  #happen(): void {
    const dice = this.random();
    if (dice < 0.6) this.#arrive();
    else if (dice < 0.72) this.#someRunning((r) => this.#end(r));
    else if (dice < 0.8) this.#cancel();
    else if (dice < 0.84) this.#someRunning((r) => this.#overrun(r));
    else if (dice < 0.9) this.#setNode(this.pick([...this.nodes.keys()]), this.#most, this.random() < 0.7);
    else if (dice < 0.92) this.#loseNode();
    else if (dice < 0.94) this.#setNode(`n${this.below(6)}`, this.#most, true);
  }

  #arrive(): void {
    const id = `r${this.#seq++}`;
    const gang = this.random() < 0.15;
    const request: PlanRequest = {
      id,
      seq: this.#seq,
      places: gang ? this.#most : 1 + this.below(this.#most),
      nodes: gang ? 2 + this.below(2) : 1,
      durationS: 60 * (1 + this.below(240)),
      notBefore: this.random() < 0.15 ? this.now + this.below(300 * MINUTE) : undefined,
      place: undefined,
      promised: undefined,
      priority: this.below(3),
      owner: this.pick(OWNERS),
      host: !gang && this.random() < 0.3 ? hostOf(`n${this.below(6)}`) : undefined,
      labels: this.random() < 0.3 ? this.#labels() : undefined,
    };
    this.queue.set(id, request);
    this.#arrived.push(request);
  }

  #cancel(): void {
    const [id] = this.queue.keys();
    if (id === undefined || this.#arrived.some((request) => request.id === id)) return;
    this.queue.delete(id);
    this.#left.push(id);
  }

  #someRunning(act: (running: Running) => void): void {
    const all = [...this.running.values()];
    if (all.length > 0) act(this.pick(all));
  }

  #end(r: Running): void {
    this.running.delete(r.id);
    this.#touch(r.nodes);
  }

  /** Its end does not come about, and nobody can tell when it will. */
  #overrun(r: Running): void {
    r.freeAt = undefined;
    r.endsAt = this.now + this.below(100 * MINUTE);
    this.#touch(r.nodes);
    for (const node of r.nodes) this.lossy.add(node);
  }

  #setNode(node: string, places: number, open: boolean): void {
    const relabelled = this.random() < 0.2;
    const labels = relabelled ? this.#labels() : (this.nodes.get(node)?.labels ?? { zone: "a" });
    this.nodes.set(node, { node, places, open, host: hostOf(node), labels });
    this.#touch([node]);
    if (!open || relabelled) this.lossy.add(node);
  }

  #labels = () => ({ zone: this.pick(["a", "b"]) });

  /** It is gone with all that ran there. */
  #loseNode(): void {
    const name = this.pick([...this.nodes.keys()]);
    for (const r of this.running.values()) if (r.nodes.includes(name)) this.#end(r);
    this.nodes.delete(name);
    this.#touch([name]);
    this.lossy.add(name);
    if (this.nodes.size === 0) this.#setNode(name, this.#most, true);
  }

  #touch(nodes: readonly string[]): void {
    for (const node of nodes) this.#touched.add(node);
  }
}
