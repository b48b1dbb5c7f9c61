/**
 * What planning costs: `node bench/plan.ts [MOST]` (thousands queued, default 100). One GPU type, the worst case: types are
 * planned apart. Nodes of 8 GPUs, all busy; ten are queued per node. See `crowd` for the generator.
 */

import { carried } from "../src/core/plan/model.ts";
import { type Plan, plan, replan } from "../src/core/plan.ts";
import { byPlan, firstComeFirstServed, live } from "./backfill.ts";
import { type Crowd, crowd } from "./crowd.ts";
import { quantile } from "./median.ts";
import { trace } from "./trace.ts";

const timed = <T>(act: () => T): [T, number] => {
  const started = performance.now();
  const made = act();
  return [made, performance.now() - started];
};
const minutes = (seconds: number): string => `${(seconds / 60).toFixed(0)} min`.padStart(11);
const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0).padStart(7);

/** The queue as the next plan would get it. */
const told = ({ queue }: Crowd, { planned }: Plan) =>
  queue.map((request) => {
    const its = planned.get(request.id);
    return its ? carried(request, its) : request;
  });

/** One running reservation after the other ends early; what was freed is given on each time. */
function releases(crowd: Crowd, first: Plan, count: number): number[] {
  let made = first;
  let now = crowd.now;
  const held = Map.groupBy(crowd.holds, (hold) => hold.node);
  return crowd.nodes.slice(0, count).map((node) => {
    now += 1000;
    const holds = (held.get(node.node) ?? []).slice(1);
    const [next, took] = timed(() => replan(made, { now, nodes: [{ node, holds }], shares: crowd.shares }));
    made = next;
    return took;
  });
}

console.log("queued   nodes   all new   all placed before   one release: p50     p99   ms");
for (const thousands of [1, 3, 10, 30, 100].filter((n) => n <= Number(process.argv[2] ?? 100))) {
  const some = crowd({ nodes: thousands * 100, queued: thousands * 1000, seed: 1 });
  const { nodes, holds, queue, now, shares } = some;
  const [made, cold] = timed(() => plan(nodes, holds, queue, now, shares));
  const [again, warm] = timed(() => plan(nodes, holds, told(some, made), now, shares));
  const each = releases(some, again, 100);
  console.log(
    `${String(thousands * 1000).padStart(6)} ${String(nodes.length).padStart(7)} ${ms(cold)} ${ms(warm).padStart(19)} ${ms(quantile(each, 0.5)).padStart(22)} ${ms(quantile(each, 0.99))}`,
  );
}

const wish = { seed: 1, jobs: 4000, nodes: 16, placesPerNode: 8, load: 0.85 };
const jobs = trace(wish);
const cluster = Array.from({ length: wish.nodes }, (_, i) => ({
  node: `n${i}`,
  places: wish.placesPerNode,
  open: true,
}));
console.log(
  `\n${wish.jobs} jobs on ${wish.nodes * wish.placesPerNode} GPUs  GPUs used   mean wait   90 % wait less than   started later than told`,
);
for (const [name, scheduler] of [
  ["first come, first served", firstComeFirstServed(cluster)],
  ["the plan", byPlan(cluster)],
] as const) {
  const { waits, used, late } = live(jobs, wish, scheduler);
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
  console.log(
    `${name.padEnd(26)} ${(100 * used).toFixed(0).padStart(9)} % ${minutes(mean)} ${minutes(quantile(waits, 0.9)).padStart(21)} ${String(late).padStart(25)}`,
  );
}
