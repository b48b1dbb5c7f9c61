/**
 * Life of a reservation:
 *
 *   queued ──> preparing ──> active ──> ending ──> expired | cancelled | failed
 *      │            └──> ending (cancelled or failed while preparing); back to queued if its node was lost before it was ready
 *      └──> cancelled | failed (what it asks for cannot exist any more)
 *
 * queued     waits for GPUs; nothing is held outside. The plan places it.
 * preparing  GPUs are allocated and the pod `<id>-<attempt>` is asked for, until the first ssh login is proved.
 * active     ssh works; time counts from here to `ends_at`.
 * ending     the pod is being taken away; the GPUs stay held until the driver confirms it.
 *
 * This file is pure: (reservation, facts, now) → what to do next. Facts are gathered by the steps themselves, so that a
 * server that knows nothing (it just started) begins by looking.
 */
import type { FINAL_STATES } from "../api/reservations.ts";
import type { PodView } from "../drivers/driver.ts";
import type { ReservationRow } from "../store/tables.ts";
import { type IdleChange, idleChange, untilIdleChange } from "./pods/idle.ts";
import { dueWarning, untilWarning } from "./pods/warnings.ts";

export type FinalState = (typeof FINAL_STATES)[number];

/** What was found out while working on a reservation; what is missing has not been looked at since the last step. */
export interface Facts {
  /** The driver's view, or why it could not be asked. */
  readonly pod?: PodView | { readonly state: "unknown"; readonly reason: string };
  /** The driver accepted the launch a moment ago. */
  readonly launched?: true;
  /** The last try to launch, prove, activate, warn or terminate failed, with these words; it may be tried again. */
  readonly failure?: string;
  /** The driver refused the launch for good. */
  readonly refused?: string;
  /** The first login was proved, then. */
  readonly proved?: Date;
  /** The driver confirmed that nothing of the pod is left. */
  readonly gone?: true;
}

/** What the database knows beside the row. */
export interface Surroundings {
  /** Some node could hold what is asked for, now or when others have left. */
  readonly offered: boolean;
  /** The node on which it was placed, or one of them, has failed or is not reported any more. */
  readonly nodeLost: boolean;
  /** Seconds after which a pod that nobody uses is ended; undefined for never. */
  readonly idleAfterS?: number | undefined;
}

export type Step =
  | { readonly do: "inspect" | "launch" | "prove" | "activate" | "admit" | "terminate" | "finish" }
  | { readonly do: "requeue"; readonly reason: string }
  | { readonly do: "warn"; readonly aheadS: number }
  | { readonly do: "idle"; readonly change: Exclude<IdleChange, "lasted"> }
  | { readonly do: "end"; readonly as: FinalState; readonly reason: string }
  | {
      readonly do: "wait";
      readonly ms: number;
      /** Shown meanwhile; null clears it. */
      readonly lastError: string | null;
      readonly ghostSince?: string | null;
      /** What it waits for, where that is news to its user. */
      readonly reason?: string;
    };

export const PREPARING_MS = 5 * 60_000;
/** An image has gigabytes to come. */
const WITH_IMAGE_MS = 20 * 60_000;
/** With what a build may take, and the images that it begins with. */
const WITH_BUILD_MS = 60 * 60_000;
export const QUEUED_MS = 48 * 3_600_000;
/** How often an active pod is looked at: a dead one is noticed in this time, a vanished one after the grace as well. */
const WATCH_MS = 8000;
/** What the driver could not do for an active pod is tried again after this. */
const RETRY_MS = 2000;
const GHOST_GRACE_MS = 10_000;
const QUEUE_CHECK_MS = 60_000;

/** The next step for a reservation that is not over. */
export function nextStep(row: ReservationRow, facts: Facts, around: Surroundings, now: Date): Step {
  switch (row.state) {
    case "queued":
      return nextWhileQueued(row, around, now);
    case "preparing":
      return nextWhilePreparing(row, facts, around, now);
    case "active":
      return nextWhileActive(row, facts, around, now);
    case "ending":
      return nextWhileEnding(row, facts, now);
    default:
      throw new Error(`reservation ${row.id} is ${row.state}: nothing follows`);
  }
}

function nextWhileQueued(row: ReservationRow, around: Surroundings, now: Date): Step {
  if (!around.offered) return end("failed", `nothing offers ${wanted(row)} any more`);
  if (left(row.queue_deadline, now) <= 0)
    return end("failed", `${neverCame(row)} in the time that it may wait`);
  return wait(Math.min(QUEUE_CHECK_MS, left(row.queue_deadline, now)), row.last_error);
}

const neverCame = (row: ReservationRow): string =>
  row.waits_for_quota === 1 ? "there was no room in the quota" : `no ${row.gpu_type} became free`;

function nextWhilePreparing(row: ReservationRow, facts: Facts, around: Surroundings, now: Date): Step {
  if (facts.refused !== undefined) return end("failed", facts.refused);
  const remaining = left(row.preparing_deadline, now);
  if (remaining <= 0) return end("failed", `not ready in time: ${row.last_error ?? "the pod did not start"}`);
  if (facts.failure !== undefined) return soon(row, now, remaining, facts.failure);
  if (around.nodeLost) return { do: "requeue", reason: `${nodeOf(row)} was lost before the pod was ready` };
  if (facts.proved) return { do: "activate" };
  switch (facts.pod?.state) {
    case undefined:
      return { do: isUntried(row, facts) ? "launch" : "inspect" };
    case "unknown":
      return soon(row, now, remaining, facts.pod.reason);
    case "absent":
      return facts.launched ? soon(row, now, remaining, "the pod is not there yet") : { do: "launch" };
    case "starting":
      return { ...soon(row, now, remaining, row.last_error), reason: facts.pod.reason };
    case "running":
      return { do: "prove" };
    case "dead":
      return end("failed", `the pod died before it was ready: ${facts.pod.reason}`);
  }
}

/** Nobody has been answered: launching what a server that died may have launched is the same pod, and looks first all the same. */
const isUntried = (row: ReservationRow, facts: Facts): boolean =>
  row.launched_at === null && row.last_error === null && !facts.launched;

function nextWhileActive(row: ReservationRow, facts: Facts, around: Surroundings, now: Date): Step {
  const remaining = left(row.ends_at, now);
  if (remaining <= 0) return end("expired", "its time is over");
  const pause = Math.min(
    WATCH_MS,
    remaining,
    untilWarning(row, now),
    untilIdleChange(row, around.idleAfterS, now),
  );
  if (facts.failure !== undefined) return wait(Math.min(RETRY_MS, pause), facts.failure);
  switch (facts.pod?.state) {
    case undefined:
      return { do: "inspect" };
    case "unknown":
      // An error is never "gone": the grace of a ghost does not run on while nobody can be asked.
      return { ...wait(pause, facts.pod.reason), ghostSince: null };
    case "dead":
      return end("failed", `the pod died: ${facts.pod.reason}`);
    case "absent":
      return absentWhileActive(row, around, now, pause);
    case "starting":
    case "running":
      return nextWhileRunning(row, facts.pod, around, now) ?? { ...wait(pause, null), ghostSince: null };
  }
}

/** What a pod that is well has to be told. */
function nextWhileRunning(
  row: ReservationRow,
  pod: PodView,
  around: Surroundings,
  now: Date,
): Step | undefined {
  if (row.keys_stale === 1) return { do: "admit" };
  const aheadS = dueWarning(row, now);
  if (aheadS !== undefined) return { do: "warn", aheadS };
  const activity = pod.state === "running" ? pod.activity : undefined;
  const change = idleChange(row, activity, around.idleAfterS, now);
  if (change === "lasted") return end("expired", idleWords(row));
  return change === undefined ? undefined : { do: "idle", change };
}

const idleWords = ({ idle_since }: ReservationRow): string =>
  `idle since ${idle_since?.slice(11, 16)} UTC: no ssh connection, and no work for its GPUs`;

function absentWhileActive(row: ReservationRow, around: Surroundings, now: Date, pause: number): Step {
  const since = row.ghost_since ?? now.toISOString();
  const grace = Date.parse(since) + GHOST_GRACE_MS - now.getTime();
  if (grace <= 0) return end("failed", around.nodeLost ? `node ${row.node} was lost` : "the pod is gone");
  return { ...wait(Math.min(pause, grace), "the driver knows no such pod"), ghostSince: since };
}

function nextWhileEnding(row: ReservationRow, facts: Facts, now: Date): Step {
  if (facts.gone) return { do: "finish" };
  if (facts.failure === undefined) return { do: "terminate" };
  return wait(pauseAfter(age(row, now), 500, 60_000), facts.failure);
}

/** Tries while preparing come quickly at first; the pauses grow with the time that it takes. */
const soon = (row: ReservationRow, now: Date, remaining: number, lastError: string | null) =>
  wait(Math.min(remaining, pauseAfter(age(row, now), 25, 5000)), lastError);

/** A pause in proportion to what has passed: the tries get rarer without a counter, also over a restart. */
const pauseAfter = (passedMs: number, least: number, most: number): number =>
  Math.round(Math.min(most, Math.max(least, passedMs / 6)));

const age = (row: ReservationRow, now: Date): number => now.getTime() - Date.parse(row.state_since);
const left = (instant: string | null, now: Date): number =>
  instant === null ? 0 : Date.parse(instant) - now.getTime();
const wait = (ms: number, lastError: string | null) => ({ do: "wait", ms, lastError }) as const;
const end = (as: FinalState, reason: string): Step => ({ do: "end", as, reason });

const nodeOf = (row: ReservationRow): string =>
  row.node_count === 1 ? `node ${row.node}` : `one of its ${row.node_count} nodes`;

/** How long it may be prepared. */
export function preparingMs({ image, build_id }: Pick<ReservationRow, "image" | "build_id">): number {
  if (build_id !== null) return WITH_BUILD_MS;
  return image === null ? PREPARING_MS : WITH_IMAGE_MS;
}

/** "2 h100", or "cpu" for a type without GPUs. */
export const wanted = (row: Pick<ReservationRow, "gpu_count" | "gpu_type">): string =>
  row.gpu_count === 0 ? row.gpu_type : `${row.gpu_count} ${row.gpu_type}`;
