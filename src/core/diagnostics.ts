/** What is the matter with one reservation: what is known of it, what the driver says now, and which step comes next (L-21). */
import type { Diagnostics } from "../api/diagnostics.ts";
import { listEvents } from "../store/journal.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { isFinal } from "./change.ts";
import type { Core } from "./core.ts";
import { type Facts, nextStep, type Step, type Surroundings } from "./lifecycle.ts";
import { viewEvent } from "./listing.ts";
import type { Caller } from "./people/access.ts";
import { diagnosedReservation } from "./people/ownership.ts";
import { podName } from "./pods/pod.ts";
import { inspect, surroundings } from "./steps/steps.ts";
import { viewReservations } from "./view.ts";

/** A driver that has not answered by then is said to be silent: whoever asks is waiting. */
const PATIENCE_MS = 5000;
const MOST_EVENTS = 10;

/** For who sees it, and administrators. Throws Problem not_found. */
export async function diagnose(
  core: Core,
  caller: Caller,
  id: string,
  patienceMs = PATIENCE_MS,
): Promise<Diagnostics> {
  const { row, seen, around, events, now } = await core.store.read(async (db, at) => {
    const found = await diagnosedReservation(db, caller, id);
    const [view] = await viewReservations(core, db, [found], caller);
    if (!view) throw new Error(`reservation ${id} cannot be shown`);
    const last = await listEvents(db, id, Math.max(0, found.version - MOST_EVENTS), MOST_EVENTS);
    return { row: found, seen: view, around: await surroundingsOf(core, db, found), events: last, now: at };
  });
  const facts = row.attempt === 0 ? {} : await inspect({ core }, row, { remark: true, patienceMs });
  return {
    id,
    name: row.name,
    owner: seen.owner,
    state: row.state,
    state_since: row.state_since,
    state_age_s: Math.max(0, Math.floor((now.getTime() - Date.parse(row.state_since)) / 1000)),
    deadline_at: deadlineOf(row),
    reason: seen.reason,
    latest_start_at: seen.latest_start_at,
    node: row.node,
    last_error: row.last_error,
    ssh: { attempts: row.ssh_attempts, last: lastAttempt(row) },
    pod: viewPod(row, facts.pod),
    next: around ? viewStep(row, nextStep(row, factsFor(row, facts), around, now)) : null,
    in_hand_until:
      row.leased_until !== null && row.leased_until > now.toISOString() ? row.leased_until : null,
    events: events.map(viewEvent),
  };
}

const surroundingsOf = async (core: Core, db: Db, row: ReservationRow): Promise<Surroundings | undefined> =>
  isFinal(row) ? undefined : surroundings(core, db, row);

/** What is left of an earlier attempt says nothing about one that waits again. */
const factsFor = ({ state }: ReservationRow, facts: Facts): Facts => (state === "queued" ? {} : facts);

function deadlineOf(row: ReservationRow): string | null {
  switch (row.state) {
    case "queued":
      return row.queue_deadline;
    case "preparing":
      return row.preparing_deadline;
    case "active":
      return row.ends_at;
    default:
      return null;
  }
}

function lastAttempt(row: ReservationRow): Diagnostics["ssh"]["last"] {
  if (row.ssh_tried_at === null) return null;
  const { ssh_tried_at: at, ssh_cause: cause, ssh_detail: detail } = row;
  return { at, ok: cause === null, cause, detail };
}

function viewPod(row: ReservationRow, view: Facts["pod"]): Diagnostics["pod"] {
  const { attempt } = row;
  if (!view) return { name: null, attempt, state: "none", detail: null };
  const detail = view.state === "running" ? view.remark : "reason" in view ? view.reason : undefined;
  return { name: podName(row), attempt, state: view.state, detail: detail ?? null };
}

function viewStep(row: ReservationRow, step: Step): Diagnostics["next"] {
  // One that waits for its turn is looked at now and then; what matters is when the plan starts it.
  const at = row.state === "queued" && step.do === "wait" ? row.planned_start_at : row.next_step_at;
  return { step: step.do, detail: wordsOf(row, step), at };
}

function wordsOf(row: ReservationRow, step: Step): string {
  switch (step.do) {
    case "requeue":
      return `goes back to the queue: ${step.reason}`;
    case "end":
      return `ends as ${step.as}: ${step.reason}`;
    case "warn":
      return `warns who is in the pod, ${step.aheadS / 60} minutes before the end`;
    case "wait":
      return WAITS[row.state] ?? "is looked at again";
    default:
      return WORDS[step.do];
  }
}

const WORDS: Readonly<Record<Exclude<Step["do"], "requeue" | "end" | "warn" | "wait">, string>> = {
  inspect: "asks the driver for the pod",
  launch: "launches the pod",
  prove: "tries a first ssh login",
  activate: "sets the pod's deadline, from which on its time counts",
  admit: "gives the pod the keys of those who may come in",
  idle: "notes whether it is in use",
  terminate: "takes the pod away",
  finish: "gives its GPUs back",
};

const WAITS: Readonly<Partial<Record<ReservationRow["state"], string>>> = {
  queued: "gets its GPUs",
  preparing: "looks at the pod again",
  active: "looks at the pod again",
  ending: "tries again to take the pod away",
};
