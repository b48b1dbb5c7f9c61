/**
 * The plan's words. A *place* is a GPU, or a slot of a type without GPUs. A *hold* is what is taken now. A *request*
 * waits. A *booking* is where and when the plan puts a request. A *gang* is a request for several nodes at once.
 * Instants are milliseconds since 1970.
 */
import { hasLabels, type NodeLabels } from "../../api/node-labels.ts";
import { PREPARING_MS } from "../lifecycle.ts";

export interface PlanNode {
  readonly node: string;
  readonly places: number;
  /** Healthy and not cordoned; a closed node gets nothing new. */
  readonly open: boolean;
  /** Whose disks what runs on it can have; undefined where all nodes have the same. */
  readonly host?: string | undefined;
  /** What the operator says of it; undefined for nothing. */
  readonly labels?: NodeLabels | undefined;
}

/** What runs, is being prepared, or is ending. */
export interface PlanHold {
  readonly node: string;
  readonly places: number;
  /** When it is given back at the latest; undefined when nobody can tell. */
  readonly freeAt: number | undefined;
}

export interface PlanRequest {
  readonly id: string;
  /** Order of arrival. */
  readonly seq: number;
  /** On each node. */
  readonly places: number;
  /** 1, or of a gang: this many different nodes, all at once. */
  readonly nodes: number;
  readonly durationS: number;
  /** How long it may be prepared before that, ms; default: as what needs no image. */
  readonly readyMs?: number;
  /** An advance reservation starts then and never earlier. */
  readonly notBefore: number | undefined;
  /** Its disk is there: only nodes of this host can serve. Undefined without a disk, or with one that all nodes have. */
  readonly host?: string | undefined;
  /** Only nodes that have all these can serve; undefined for any. */
  readonly labels?: NodeLabels | undefined;
  /** Where the last plan put it; undefined for a newcomer. */
  readonly place: { readonly start: number; readonly nodes: readonly string[] } | undefined;
  /** The latest start that its user was told. */
  readonly promised: number | undefined;
  /** Its class; the higher comes first when capacity frees. */
  readonly priority: number;
  readonly owner: string;
}

export interface Planned {
  readonly id: string;
  /** Null when nobody can tell. In the past while what should have left its place is still there. */
  readonly start: number | null;
  /** By name; empty without a start. */
  readonly nodes: readonly string[];
  /** Its places are free now: start it. */
  readonly startsNow: boolean;
  /** What its user may be told: it starts by then. Never later than promised, unless `lost` says why. */
  readonly latest: number | null;
  /** Which capacity was lost, in words, when the promise cannot be kept. */
  readonly lost?: string;
}

/** Recent use by owner, 0 for who is not in it; who had less comes first when capacity frees. */
export type Shares = ReadonlyMap<string, number>;

/** What it takes to be rid of a pod after its end. */
export const CLEARING_MS = 60_000;

/** How late something may start (a server that restarts, a pod that goes slowly) without moving those planned behind it. */
export const LATE_MS = 60_000;

/** When what starts (or is being prepared) by `readyBy` gives its places back at the latest. */
export const freeAfter = (readyBy: number, durationS: number): number =>
  readyBy + durationS * 1000 + CLEARING_MS;

/** For how long a request is booked, from its start, ms. */
export const spanOf = (durationS: number, readyMs = PREPARING_MS): number =>
  freeAfter(LATE_MS + readyMs, durationS);

/** What a request asks of its nodes beside their places. */
export type Where = Pick<PlanRequest, "host" | "labels">;

/** Whether a node could ever serve, as far as its disk and its labels go. */
export const suits = (node: PlanNode, { host, labels }: Where): boolean =>
  (host === undefined || node.host === host) &&
  (labels === undefined || hasLabels(node.labels ?? {}, labels));

/** The request as the next plan has to get it: placed and promised as this plan says. */
export const carried = (request: PlanRequest, planned: Planned): PlanRequest => ({
  ...request,
  place: planned.start === null ? undefined : { start: planned.start, nodes: planned.nodes },
  promised: planned.latest ?? undefined,
});
