/** What is said of a reservation: its history and its pod's lines, in the order of their times. */

import { Problem } from "../../api/errors.ts";
import type { LogLine, LogPage } from "../../api/logs.ts";
import { listEvents } from "../../store/journal.ts";
import type { Db, EventRow, ReservationRow } from "../../store/tables.ts";
import { isFinal } from "../change.ts";
import type { Core } from "../core.ts";
import type { Caller } from "../people/access.ts";
import { visibleReservation } from "../people/ownership.ts";
import { nodeOfPod } from "../planning/gang.ts";
import { bounded, driverWords, podName } from "./pod.ts";

const DEFAULT_TAIL = 100;
const MOST_LINES = 1000;
/** Characters of an instant. */
const TO_THE_SECOND = 19;
/** A pod that is launched again has a log of its own; more than these are no help. */
const ATTEMPTS = 5;

export interface LogQuery {
  readonly tail?: number | undefined;
  readonly since?: string | undefined;
  readonly source?: LogLine["source"] | undefined;
  readonly node?: number | undefined;
  readonly after?: string | undefined;
}

/** What was seen last. */
interface Position {
  readonly version: number;
  readonly attempt: number;
  readonly number: number;
}

/** What the database tells at one moment. */
export interface LifeSeen {
  readonly row: ReservationRow;
  readonly entries: readonly EventRow[];
}

/**
 * Without the pod's lines where those cannot be read now, which is said. Throws Problem not_found, invalid_input for a node that it does
 * not have, and unavailable when nothing but those lines is asked for.
 */
export async function readLogs(core: Core, caller: Caller, id: string, query: LogQuery): Promise<LogPage> {
  const seen = await core.store.read((db) => readLife(db, caller, id, query));
  return await withPods(core, seen, query);
}

/** The reservation and the entries of its history that the query may want. */
export async function readLife(db: Db, caller: Caller, id: string, query: LogQuery): Promise<LifeSeen> {
  const row = await visibleReservation(db, caller, id);
  if ((query.node ?? 0) >= row.node_count) throw noSuchNode(row, query.node ?? 0);
  const { version } = positionOf(query.after);
  const entries = await listEvents(db, id, Math.max(version, row.version - MOST_LINES), MOST_LINES);
  return { row, entries };
}

/** That, with what the pods said. */
export async function withPods(core: Core, { row, entries }: LifeSeen, query: LogQuery): Promise<LogPage> {
  const { tail = query.after === undefined ? DEFAULT_TAIL : MOST_LINES, since = "", source } = query;
  const seen = positionOf(query.after);
  const pod: PodLines =
    source === "life" ? { lines: [], last: seen } : await podLines(core, row, query.node ?? 0, seen);
  if (pod.fault && source === "pod") throw unreadable(pod.fault);
  const life = source === "pod" ? [] : entries.map(lifeLine);
  // Both are in order already; at the same instant the history goes first.
  const lines = [...life, ...pod.lines]
    .filter(({ at }) => at >= since.slice(0, TO_THE_SECOND))
    .toSorted(byTime);
  const version = entries.at(-1)?.version ?? seen.version;
  return {
    items: lines.slice(Math.max(0, lines.length - tail)),
    position: `${version}.${pod.last.attempt}.${pod.last.number}`,
    ended: isFinal(row) && version === row.version,
    missing: pod.fault ? unreadable(pod.fault).message : null,
  };
}

const byTime = (a: LogLine, b: LogLine): number => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0);

const lifeLine = ({ at, type, detail }: EventRow): LogLine => ({
  at,
  source: "life",
  text: detail === null ? type : `${type}: ${detail}`,
});

interface PodLines {
  readonly lines: LogLine[];
  readonly last: Position;
  /** Why some are missing. */
  readonly fault?: Error;
}

async function podLines(core: Core, row: ReservationRow, rank: number, seen: Position): Promise<PodLines> {
  const lines: LogLine[] = [];
  let last = seen;
  for (
    let attempt = Math.max(1, seen.attempt, row.attempt - ATTEMPTS + 1);
    attempt <= row.attempt;
    attempt++
  ) {
    const after = attempt === seen.attempt ? seen.number : 0;
    // Where others were is not known any more.
    const node = attempt === row.attempt ? nodeOfPod(row) : undefined;
    const said = await ask(core, podName({ ...row, attempt }, rank), after, node);
    if (said instanceof Error) return { lines, last, fault: said };
    lines.push(...said.map(({ at, text }): LogLine => ({ at, source: "pod", text })));
    last = { ...last, attempt, number: said.at(-1)?.number ?? after };
  }
  return { lines, last };
}

/** Its lines, or the driver's error. */
async function ask(core: Core, pod: string, after: number, node: string | undefined) {
  try {
    return await bounded("logs", core.driver.logs(pod, after, node));
  } catch (error) {
    if (driverWords(error) === undefined) throw error;
    return error as Error;
  }
}

function unreadable(cause: Error): Problem {
  const detail = `what the pod said cannot be read now: ${cause.message}`;
  return new Problem("unavailable", detail, { hint: "without it: source=life", retryAfter: 5, cause });
}

function positionOf(after = "0.0.0"): Position {
  const [version = 0, attempt = 0, number = 0] = after.split(".").map(Number);
  return { version, attempt, number };
}

function noSuchNode(row: ReservationRow, node: number): Problem {
  const detail =
    row.node_count === 1 ? "it has one node, number 0" : `its nodes are 0 to ${row.node_count - 1}`;
  return new Problem("invalid_input", `node: there is no node ${node}; ${detail}`, {
    errors: [{ field: "node", code: "too_big", detail }],
  });
}
