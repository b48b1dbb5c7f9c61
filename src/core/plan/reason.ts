/** Why somebody waits, in words. */
import { labelWords } from "../../api/node-labels.ts";
import type { Plan } from "../plan.ts";
import { type PlanRequest, suits } from "./model.ts";
import type { Booking, Host } from "./schedule.ts";

/**
 * When the bookings of each node end, in order, for as long as a plan is asked for its reasons: thousands may wait on one node,
 * and each asks how many of them are over by its start.
 */
const endings = new WeakMap<Plan, Map<Host, readonly number[]>>();

/** What a queued request waits for; `what` names it ("4 h100"). No instants: those are the plan's. */
export function reasonOf(plan: Plan, id: string, what: string): string {
  const { board } = plan;
  const entry = board.entries.get(id);
  if (!entry) throw new Error(`${id} is not in the queue`);
  const { request, booking } = entry;
  const { now, hosts } = board.schedule;
  if (!booking) {
    return `waits for ${what}: ${whyNever(request, [...hosts.values()])}`;
  }
  if (booking.from <= now) return "starts now";
  if (booking.start <= now)
    return `waits for ${what}: what should have left ${where(booking)} is still there`;
  if (booking.start === request.notBefore)
    return `waits for its time; ${what} is planned on ${where(booking)}`;
  return `waits for ${what}: ${where(booking)} ${booking.hosts.length === 1 ? "has" : "have"} ${before(plan, booking, now)}`;
}

function whyNever(request: PlanRequest, hosts: readonly Host[]): string {
  const able = hosts.filter(({ node }) => node.open && node.places >= request.places && suits(node, request));
  if (able.length >= request.nodes) return "what holds it has no known end";
  const labels = request.labels && labelWords(request.labels);
  if (request.host !== undefined)
    return `its disk is on node ${request.host}, which is away, takes nothing new, or has too few of them${labels ? ` with ${labels}` : ""}`;
  return `too few nodes that could hold it${labels ? ` and have ${labels}` : ""} are open`;
}

const where = ({ hosts }: Booking): string =>
  `${hosts.length === 1 ? "node" : "nodes"} ${hosts.map((host) => host.name).join(", ")}`;

/** What is free there, and what has to end first. */
function before(plan: Plan, { request, from, hosts }: Booking, now: number): string {
  const free = hosts.reduce(
    (sum, { profile }) => sum + Math.min(Math.max(0, profile.freeAt(now)), request.places),
    0,
  );
  const need = request.places * request.nodes;
  const running = sum(
    hosts,
    (host) => host.holds.filter(({ freeAt = Number.POSITIVE_INFINITY }) => freeAt <= from).length,
  );
  const planned = sum(hosts, (host) => countUpTo(endingsOn(plan, host), from));
  const ends = [
    ...(running > 0 ? [`${running} running`] : []),
    ...(planned > 0 ? [`${planned} planned`] : []),
  ];
  if (ends.length === 0) return `${free} of ${need} free, and others are planned first`;
  const verb = running + planned === 1 ? "ends" : "end";
  return `${free} of ${need} free until ${ends.join(" and ")} there ${verb}`;
}

const sum = (hosts: readonly Host[], of: (host: Host) => number): number =>
  hosts.reduce((total, host) => total + of(host), 0);

function endingsOn(plan: Plan, host: Host): readonly number[] {
  const known = endings.get(plan) ?? new Map<Host, readonly number[]>();
  endings.set(plan, known);
  const ends = known.get(host) ?? [...host.bookings].map(({ until }) => until).sort((a, b) => a - b);
  known.set(host, ends);
  return ends;
}

/** How many of these, which are in order, are not above a limit. */
function countUpTo(sorted: readonly number[], limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? Number.POSITIVE_INFINITY) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
