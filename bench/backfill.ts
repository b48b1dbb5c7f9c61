/** A trace lived through twice: first come, first served, and by the plan. */
import { PREPARING_MS } from "../src/core/lifecycle.ts";
import { freeAfter, type PlanHold, type PlanNode, type PlanRequest } from "../src/core/plan/model.ts";
import { plan, replan } from "../src/core/plan.ts";
import type { Job, TraceWish } from "./trace.ts";

export interface Outcome {
  /** Seconds from arrival to start, in order of start. */
  readonly waits: number[];
  /** Of all GPU time from the first arrival to the last start, the share that was used. */
  readonly used: number;
  /** How many started later than they had been told. */
  readonly late: number;
}

interface Started {
  readonly job: Job;
  readonly nodes: readonly string[];
  readonly at: number;
}

/** Decides who starts; told of arrivals and ends (ms). */
interface Scheduler {
  happened(now: number, arrived: readonly Job[], ended: readonly Started[]): Started[];
  readonly late: () => number;
}

/** Goes from one arrival or end to the next. */
export function live(jobs: readonly Job[], wish: TraceWish, scheduler: Scheduler): Outcome {
  const running: Started[] = [];
  const all: Started[] = [];
  let next = 0;
  while (next < jobs.length || running.length > 0) {
    const now = Math.min(arrivalOf(jobs[next]), ...running.map(endOf));
    const ended = running.filter((started) => endOf(started) <= now);
    for (const started of ended) running.splice(running.indexOf(started), 1);
    const first = next;
    while (arrivalOf(jobs[next]) <= now) next += 1;
    const started = scheduler.happened(now, jobs.slice(first, next), ended);
    running.push(...started);
    all.push(...started);
  }
  const last = Math.max(...all.map(({ at }) => at));
  const work = all.reduce((sum, s) => sum + gpusOf(s.job) * (Math.min(endOf(s), last) - s.at), 0);
  return {
    waits: all.map(({ job, at }) => (at - arrivalOf(job)) / 1000),
    used: work / (wish.nodes * wish.placesPerNode * (last - arrivalOf(jobs[0]))),
    late: scheduler.late(),
  };
}

const arrivalOf = (job: Job | undefined): number =>
  job ? Math.round(job.arrives * 1000) : Number.POSITIVE_INFINITY;
const endOf = ({ job, at }: Started): number => at + job.usedS * 1000;
const gpusOf = ({ places, nodes }: Job): number => places * nodes;

/** Strictly in order: who does not fit holds back those behind. The fullest nodes that fit are taken here, too. */
export function firstComeFirstServed(nodes: readonly PlanNode[]): Scheduler {
  const free = new Map(nodes.map((n) => [n.node, n.places]));
  const queue: Job[] = [];
  const change = ({ nodes: names, job }: Omit<Started, "at">, by: 1 | -1) => {
    for (const name of names) free.set(name, (free.get(name) ?? 0) + by * job.places);
  };
  return {
    late: () => 0,
    happened(now, arrived, ended) {
      for (const started of ended) change(started, 1);
      queue.push(...arrived);
      const started: Started[] = [];
      for (let job = queue[0]; job; job = queue[0]) {
        const { places } = job;
        const fits = [...free].filter(([, count]) => count >= places).sort((a, b) => a[1] - b[1]);
        if (fits.length < job.nodes) break;
        const its = { job, nodes: fits.slice(0, job.nodes).map(([name]) => name), at: now };
        change(its, -1);
        started.push(its);
        queue.shift();
      }
      return started;
    },
  };
}

/** By the plan, a change at a time. */
export function byPlan(nodes: readonly PlanNode[]): Scheduler {
  const byName = new Map(nodes.map((node) => [node.node, node]));
  const jobs = new Map<string, Job>();
  const told = new Map<string, number>();
  const holds = new Map<string, PlanHold[]>();
  let made = plan(nodes, [], [], 0);
  let late = 0;
  let left: string[] = [];
  let touched = new Set<string>();
  const start = (job: Job, names: readonly string[], now: number): Started => {
    if (now > (told.get(job.id) ?? now)) late += 1;
    const freeAt = freeAfter(now + PREPARING_MS, job.durationS);
    holds.set(
      job.id,
      names.map((node) => ({ node, places: job.places, freeAt })),
    );
    left.push(job.id);
    touched = new Set([...touched, ...names]);
    return { job, nodes: names, at: now };
  };
  return {
    late: () => late,
    happened(now, arrived, ended) {
      for (const { job, nodes: names } of ended) {
        holds.delete(job.id);
        touched = new Set([...touched, ...names]);
      }
      for (const job of arrived) jobs.set(job.id, job);
      const held = Map.groupBy([...holds.values()].flat(), (hold) => hold.node);
      const changed = [...touched].flatMap((name) => byName.get(name) ?? []);
      made = replan(made, {
        now,
        nodes: changed.map((node) => ({ node, holds: held.get(node.node) ?? [] })),
        arrived: arrived.map(requestOf),
        left,
      });
      left = [];
      touched = new Set();
      const started: Started[] = [];
      for (const { id, startsNow, nodes: names, latest } of made.planned.values()) {
        const job = jobs.get(id);
        if (startsNow && job) started.push(start(job, names, now));
        else if (latest !== null) told.set(id, latest);
      }
      return started;
    },
  };
}

const requestOf = (job: Job): PlanRequest => ({
  id: job.id,
  seq: Number(job.id.slice(1)),
  places: job.places,
  nodes: job.nodes,
  durationS: job.durationS,
  notBefore: undefined,
  place: undefined,
  promised: undefined,
  priority: 0,
  owner: "",
});
