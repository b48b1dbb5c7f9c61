/** The contract's shapes. Input is strict (unknown fields are refused); replies tolerate what a newer server adds. */
import * as z from "zod";
import { githubNameFault, isId, nameFault } from "./names.ts";

/** Largest duration that is ever accepted; a GPU type's own maximum is usually far below. */
const MAX_DURATION_S = 366 * 86_400;

const instant = z.iso.datetime({ precision: 3 });
const reservationId = z.string().refine(isId, "not an id");

/** A name by the rule of names.ts; the message shows the offending character and a name that would do. */
const name = z.string().superRefine((value, ctx) => {
  const fault = nameFault(value);
  if (!fault) return;
  const hint = fault.suggestion === undefined ? "" : `; try ${JSON.stringify(fault.suggestion)}`;
  ctx.addIssue({ code: "custom", message: `${fault.detail}${hint}` });
});

/** A user's name, or "github:NAME"; a name that no user has is taken for GitHub's. */
const collaboratorWord = z
  .string()
  .min(1)
  .max(100)
  .superRefine((value, ctx) => {
    const fault = value.startsWith("github:") ? githubNameFault(value.slice("github:".length)) : undefined;
    if (fault !== undefined) ctx.addIssue({ code: "custom", message: fault });
  });

export const STATES = ["queued", "preparing", "active", "ending", "expired", "cancelled", "failed"] as const;
export const FINAL_STATES = ["expired", "cancelled", "failed"] as const;
export type State = (typeof STATES)[number];

/** Who comes first when GPUs get free early; the first of them is the last to be served. */
export const PRIORITIES = ["low", "normal", "high"] as const;

/** What a caller sees of one reservation. Times are instants in UTC; null is "not yet" or "none". */
export const reservation = z.object({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string(),
  /** What the caller is to it: a collaborator sees it and comes in; its own pod sees it and can cancel it. */
  access: z.enum(["owner", "collaborator", "pod"]),
  /** Whom it is shared with: users of this server, and accounts of GitHub with the number of keys that were taken over. */
  collaborators: z.array(
    z.object({ kind: z.enum(["user", "github"]), name: z.string(), keys: z.int().nullable() }),
  ),
  state: z.enum(STATES),
  /** Why it is in this state, in words: what it waits for, why it failed. */
  reason: z.string().nullable(),
  gpu_type: z.string(),
  gpu_count: z.int().min(0),
  /** True for GPUs that only exist for demonstrations and tests. */
  simulated: z.boolean(),
  duration_s: z.int(),
  disk: z.string().nullable(),
  created_at: instant,
  /** GPUs were given, of the present attempt: it is being prepared since then. */
  placed_at: instant.nullable(),
  /** The driver took the launch of the present attempt. */
  launched_at: instant.nullable(),
  /** The first ssh login was proved. */
  proved_at: instant.nullable(),
  started_at: instant.nullable(),
  ends_at: instant.nullable(),
  /** Its end was begun; null for one that ended in the queue. */
  ending_at: instant.nullable(),
  ended_at: instant.nullable(),
  /** Who comes first when GPUs get free earlier than planned. */
  priority: z.enum(PRIORITIES),
  /** It was reserved for this time and starts then, not earlier; null for "as soon as possible". */
  start_at: instant.nullable(),
  /** While queued: 1 is next; counts those that are planned to start before, and may change. */
  queue_position: z.int().nullable(),
  /** While queued, the promise: it starts by then. It only gets earlier, unless capacity is lost; null when it is unknown. */
  latest_start_at: instant.nullable(),
  /** While queued: when the plan starts it; null when it is unknown. */
  estimated_start_at: instant.nullable(),
  /** How many nodes it takes, all at once. */
  node_count: z.int(),
  /** Where it runs, while it holds GPUs: the first of its nodes has rank 0. */
  nodes: z.array(z.object({ rank: z.int(), node: z.string(), gpus: z.array(z.int()), ssh_host: z.string() })),
  /** The first node, from `preparing` on, and its GPUs. */
  node: z.string().nullable(),
  gpus: z.array(z.int()),
  /** How pods are kept apart there: "namespaces" or "processes" (one trust domain). */
  isolation: z.string().nullable(),
  ssh_host: z.string(),
  ssh_user: z.string().nullable(),
  /** The pod's public host key as in known_hosts: "ssh-ed25519 AAAA…". */
  host_key: z.string().nullable(),
  /** While active: since when it is without ssh connection and without work for its GPUs, and when it is ended for that. */
  idle_since: instant.nullable(),
  idle_ends_at: instant.nullable(),
  /** While preparing: which launch this is, how often ssh was tried, and what went wrong last. */
  attempt: z.int(),
  ssh_attempts: z.int(),
  last_error: z.string().nullable(),
  version: z.int(),
});
export type Reservation = z.infer<typeof reservation>;

export const createReservation = z.strictObject({
  gpu_type: z.string().min(1).max(63),
  /** GPUs; must be 0 for a type without GPUs. Default: 1, or 0 for such a type. */
  gpu_count: z.int().min(0).max(100_000).optional(),
  /** More GPUs than a node has: whole nodes, several at once. Then `gpu_count` is a multiple of `max_gpus_per_node`. */
  multi_node: z.boolean().optional(),
  duration_s: z.int().min(60, "at least 60 (one minute)").max(MAX_DURATION_S),
  name: name.optional(),
  /** null is "no disk" (temporary storage); named disks come with their own operations. */
  disk: z.null().optional(),
  /** False: refuse with `no_capacity` instead of waiting in the queue. */
  queue: z.boolean().optional(),
  /** Default: normal. Only administrators give high. */
  priority: z.enum(PRIORITIES).optional(),
  /** Start then, not earlier; refused with `taken_then` when the GPUs are not free at that time. Default: as soon as possible. */
  start_at: instant.optional(),
});
export type CreateReservation = z.infer<typeof createReservation>;

export const patchReservation = z
  .strictObject({
    name: name.optional(),
    /** Seconds to add to the end. */
    extend_s: z.int().min(1, "must be more than 0").max(MAX_DURATION_S).optional(),
    /** As far as the type's maximum and the promises made to others allow. */
    extend_max: z.literal(true).optional(),
    /** Whom to share it with from now on, and with whom not any more; without the others, so that all or nothing is done. */
    add_users: z.array(collaboratorWord).min(1).max(20).optional(),
    remove_users: z.array(collaboratorWord).min(1).max(20).optional(),
  })
  .refine((p) => Object.values(p).some((value) => value !== undefined), "give at least one field")
  .refine(
    (p) => p.extend_s === undefined || p.extend_max === undefined,
    "give extend_s or extend_max, not both",
  )
  .refine(
    ({ add_users, remove_users, ...others }) =>
      Object.values(others).every((value) => value === undefined) ||
      (add_users === undefined && remove_users === undefined),
    "give add_users and remove_users without name and extension",
  );
export type PatchReservation = z.infer<typeof patchReservation>;

/** What a request would come to; nothing is created. */
export const forecast = z.object({
  gpu_type: z.string(),
  gpu_count: z.int(),
  duration_s: z.int(),
  simulated: z.boolean(),
  /** When it would start at the latest: now, at the time that was asked for, or in the queue; null when it is unknown. */
  latest_start_at: instant.nullable(),
  /** When it would end at the latest. */
  latest_end_at: instant.nullable(),
  /** The nodes that it would get; they may be others when its time comes. */
  nodes: z.array(z.string()),
  /** Micro-dollars for all of its time; null when the type has no price. */
  price: z.int().nullable(),
  /** Its place in the queue; null when it would start at once. */
  queue_position: z.int().nullable(),
  /** Why it would wait, in words; null when it would start at once. */
  reason: z.string().nullable(),
});
export type Forecast = z.infer<typeof forecast>;

/** A way to start sooner: the one thing to change in the request, and the latest start with it. */
const wayToStartSooner = z.object({
  change: z.enum(["gpu_count", "gpu_type", "duration_s"]),
  gpu_type: z.string(),
  gpu_count: z.int(),
  simulated: z.boolean(),
  duration_s: z.int(),
  latest_start_at: instant,
});
export type WayToStartSooner = z.infer<typeof wayToStartSooner>;

const event = z.object({
  /** The reservation's version after the change: 1, 2, … without gaps. */
  version: z.int(),
  at: instant,
  type: z.string(),
  state: z.enum(STATES),
  detail: z.string().nullable(),
});
export type ReservationEvent = z.infer<typeof event>;

const gpuType = z.object({
  name: z.string(),
  /** GPUs in one slot of this type: 1, or 0 for a type without GPUs. */
  gpus_per_slot: z.int(),
  /** The most that one node has; 0 for a type without GPUs, and for one that no node offers at present. */
  max_gpus_per_node: z.int(),
  /** How many nodes offer it at present, and how many of them have `max_gpus_per_node`. */
  nodes: z.int(),
  full_nodes: z.int(),
  max_duration_s: z.int(),
  simulated: z.boolean(),
  /** What the operator says of it; null is "not said". */
  description: z.string().nullable(),
  /** Memory of one GPU. */
  gpu_memory_bytes: z.int().nullable(),
  /** What comes with one GPU, or with one place of a type without GPUs. */
  cpus: z.int().nullable(),
  memory_bytes: z.int().nullable(),
  /** Micro-dollars for an hour of one GPU, or of one place of a type without GPUs. */
  price_per_hour: z.int().nullable(),
  /** For a slice: the type of the GPUs that are cut, and into how many. */
  slice_of: z.string().nullable(),
  slices_per_gpu: z.int().nullable(),
});
export type GpuType = z.infer<typeof gpuType>;

/** By type: total = free + used + unavailable, in GPUs (in places for a type without GPUs). */
const availability = z.object({
  gpu_type: z.string(),
  unit: z.enum(["gpu", "place"]),
  total: z.int(),
  free: z.int(),
  used: z.int(),
  unavailable: z.int(),
  queued: z.int(),
  simulated: z.boolean(),
  isolation: z.string(),
  max_duration_s: z.int(),
  /** When a newcomer that asks for one, for an hour, would start at the latest; null when it is unknown. */
  latest_start_at: instant.nullable(),
});
export type Availability = z.infer<typeof availability>;

export const node = z.object({
  name: z.string(),
  /** As the driver reports it; a node that it does not report is not healthy. */
  healthy: z.boolean(),
  /** Since when it gets nothing new; null while it does. */
  cordoned_at: instant.nullable(),
  gpu_types: z.array(z.object({ name: z.string(), places: z.int(), simulated: z.boolean() })),
  /** How many hold something there. */
  reservations: z.int(),
});
export type Node = z.infer<typeof node>;

export const createKey = z.strictObject({
  /** One line of an OpenSSH public key file. */
  public_key: z.string().min(1).max(16_384),
});
export const key = z.object({
  id: z.string(),
  type: z.string(),
  /** "SHA256:…" as `ssh-keygen -l` prints it. */
  fingerprint: z.string(),
  comment: z.string(),
  created_at: instant,
});
export type Key = z.infer<typeof key>;

export const me = z.object({ id: z.string(), name: z.string(), role: z.enum(["user", "admin"]) });

export const deployment = z.object({
  id: z.string(),
  version: z.string(),
  min_cli: z.string(),
  domain: z.string(),
});

export const health = z.object({
  status: z.enum(["ok", "failing"]),
  /** The failing part by name, "ok" for the others. */
  checks: z.record(z.string(), z.string()),
});
export type Health = z.infer<typeof health>;

/** A page of a list; `next_cursor` is null on the last one. */
const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next_cursor: z.string().nullable() });

export const reservationPage = page(reservation);
export const advicePage = page(wayToStartSooner);
export const eventPage = page(event);
export const gpuTypePage = page(gpuType);
export const availabilityPage = page(availability);
export const nodePage = page(node);
export const keyPage = page(key);
export const diskPage = page(z.object({ id: z.string(), name: z.string() }));
export interface Page<T> {
  readonly items: T[];
  readonly next_cursor: string | null;
}

export const reservationParams = z.strictObject({ id: reservationId });
export const nodeParams = z.strictObject({
  node: z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/),
});
const limit = z
  .string()
  .regex(/^\d{1,3}$/, "a number from 1 to 500")
  .transform(Number)
  .refine((n) => n >= 1 && n <= 500, "a number from 1 to 500");
const cursor = z.string().min(1).max(512);
export const listReservationsQuery = z.strictObject({
  /** Which: "live" (not ended, the default), "all", or one state. */
  state: z.enum(["live", "all", ...STATES]).optional(),
  /** Exact name, together with `state`: of live ones at most one has it. */
  name: z.string().max(63).optional(),
  /** Beginning of the id, 4 or more characters. */
  id_prefix: z
    .string()
    .regex(/^[a-z2-7]{4,20}$/, "4 to 20 characters of an id")
    .optional(),
  limit: limit.optional(),
  cursor: cursor.optional(),
});
export type ListReservationsQuery = z.input<typeof listReservationsQuery>;
export const pageQuery = z.strictObject({ limit: limit.optional(), cursor: cursor.optional() });
export const listEventsQuery = pageQuery.extend({
  /** Only entries after this version. */
  after: z
    .string()
    .regex(/^\d{1,9}$/, "a version, such as 3")
    .transform(Number)
    .optional(),
});
export const noQuery = z.strictObject({});

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  hint: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), code: z.string(), detail: z.string() })).optional(),
  request_id: z.string().optional(),
  retryable: z.boolean(),
});
