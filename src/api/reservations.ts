/** The contract's shapes of reservations: what is asked for, what comes of it, and what happened. */
import * as z from "zod";
import { MAX_REFERENCE, parseImageReference } from "./image-reference.ts";
import { githubNameFault } from "./names.ts";
import { LABEL_FORMS, LABEL_KEY, LABEL_VALUE, MAX_LABELS } from "./node-labels.ts";
import { id, instant, name, page, pageQuery, publicKey } from "./schemas.ts";

/** Largest duration that is ever accepted; a GPU type's own maximum is usually far below. */
export const MAX_DURATION_S = 366 * 86_400;

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

/** What lists are sorted by; "-" is the largest first. One that has no end yet counts as the last to end. */
export const RESERVATION_ORDERS = ["-created_at", "created_at", "ends_at", "-ends_at"] as const;
export type ReservationOrder = (typeof RESERVATION_ORDERS)[number];

/** Node decodes it for basic authentication, and cannot post to a URL where that fails. */
function hasUsableUser(url: string): boolean {
  try {
    const { username, password } = new URL(url);
    decodeURIComponent(username);
    decodeURIComponent(password);
    return true;
  } catch {
    // What is no URL at all is told by another rule.
    return !URL.canParse(url);
  }
}

const webhookUrl = z
  .url({ protocol: /^https?$/, error: "must be an http or https URL" })
  .max(2048)
  .refine(hasUsableUser, "has a user or password with a % that begins no encoded character");

/** What a caller sees of one reservation. Times are instants in UTC; null is "not yet" or "none". */
export const reservation = z.object({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string(),
  access: z
    .enum(["owner", "collaborator", "pod"])
    .describe(
      "What the caller is to it: a collaborator sees it and comes in; its own pod sees it and can cancel it",
    ),
  collaborators: z
    .array(z.object({ kind: z.enum(["user", "github"]), name: z.string(), keys: z.int().nullable() }))
    .describe(
      "Whom it is shared with: users of this server, and accounts of GitHub with the number of keys that were taken over",
    ),
  state: z.enum(STATES),
  reason: z
    .string()
    .nullable()
    .describe("Why it is in this state, in words: what it waits for, why it failed"),
  gpu_type: z.string(),
  gpu_count: z.int().min(0),
  simulated: z.boolean().describe("True for GPUs that only exist for demonstrations and tests"),
  duration_s: z.int(),
  disk: z
    .string()
    .nullable()
    .describe("The name of the disk that is its home, and its id; null for temporary storage"),
  disk_id: z.string().nullable(),
  image: z
    .string()
    .nullable()
    .describe("What it runs, as it was asked for; null for the server's own, and for one that is built"),
  build_id: z.string().nullable().describe("The build that its image comes of"),
  entrypoint: z.enum(["keep"]).nullable().describe("keep: the image's own entrypoint runs beside sshd"),
  node_labels: z
    .record(z.string(), z.string())
    .describe("Labels that its nodes have to have; empty for any node"),
  created_at: instant,
  placed_at: instant
    .nullable()
    .describe("GPUs were given, of the present attempt: it is being prepared since then"),
  launched_at: instant.nullable().describe("The driver took the launch of the present attempt"),
  proved_at: instant.nullable().describe("The first ssh login was proved"),
  started_at: instant.nullable(),
  ends_at: instant.nullable(),
  ending_at: instant.nullable().describe("Its end was begun; null for one that ended in the queue"),
  ended_at: instant.nullable(),
  priority: z.enum(PRIORITIES).describe("Who comes first when GPUs get free earlier than planned"),
  start_at: instant
    .nullable()
    .describe('It was reserved for this time and starts then, not earlier; null for "as soon as possible"'),
  queue_position: z
    .int()
    .nullable()
    .describe("While queued: 1 is next; counts those that are planned to start before, and may change"),
  latest_start_at: instant
    .nullable()
    .describe(
      "While queued, the promise: it starts by then. It only gets earlier, unless capacity is lost; null when it is unknown",
    ),
  estimated_start_at: instant
    .nullable()
    .describe("While queued: when the plan starts it; null when it is unknown"),
  node_count: z.int().describe("How many nodes it takes, all at once"),
  nodes: z
    .array(z.object({ rank: z.int(), node: z.string(), gpus: z.array(z.int()), ssh_host: z.string() }))
    .describe("Where it runs, while it holds GPUs: the first of its nodes has rank 0"),
  node: z.string().nullable().describe("The first node, from `preparing` on, and its GPUs"),
  gpus: z.array(z.int()),
  isolation: z
    .string()
    .nullable()
    .describe('How pods are kept apart there: "namespaces", "containers" or "processes" (one trust domain)'),
  ssh_host: z.string(),
  ssh_user: z.string().nullable(),
  host_key: z
    .string()
    .nullable()
    .describe(`The pod's public host key as in known_hosts: "ssh-ed25519 AAAA…"`),
  idle_since: instant
    .nullable()
    .describe(
      "While active: since when it is without ssh connection and without work for its GPUs, and when it is ended for that",
    ),
  idle_ends_at: instant.nullable(),
  attempt: z
    .int()
    .describe("While preparing: which launch this is, how often ssh was tried, and what went wrong last"),
  ssh_attempts: z.int(),
  last_error: z.string().nullable(),
  webhook: z
    .object({ url: z.string(), secret: z.string(), last_error: z.string().nullable() })
    .nullable()
    .describe(
      "Where what happens to it is posted, the secret that signs it, and why the last try failed; for its owner only",
    ),
  version: z.int(),
});
export type Reservation = z.infer<typeof reservation>;

const imageReference = z
  .string()
  .min(1)
  .max(MAX_REFERENCE)
  .refine(
    (text) => parseImageReference(text) !== undefined,
    "is no image, such as ubuntu:24.04 or host/team/image:tag",
  );

export const createReservation = z.strictObject({
  gpu_type: z.string().min(1).max(63),
  gpu_count: z
    .int()
    .min(0)
    .max(100_000)
    .optional()
    .describe("GPUs; must be 0 for a type without GPUs. Default: 1, or 0 for such a type"),
  multi_node: z
    .boolean()
    .optional()
    .describe(
      "More GPUs than a node has: whole nodes, several at once. Then `gpu_count` is a multiple of `max_gpus_per_node`",
    ),
  duration_s: z.int().min(60, "at least 60 (one minute)").max(MAX_DURATION_S),
  name: name.optional(),
  disk: z
    .string()
    .min(1)
    .max(63)
    .nullable()
    .optional()
    .describe(
      'The id or the name of one of the caller\'s disks; null is "no disk" (temporary storage), as is leaving it out',
    ),
  public_key: publicKey
    .optional()
    .describe(
      "An ssh key of the caller's, which is registered in the same go when it is not yet (POST /v1/keys)",
    ),
  queue: z.boolean().optional().describe("False: refuse with `no_capacity` instead of waiting in the queue"),
  priority: z.enum(PRIORITIES).optional().describe("Default: normal. Only administrators give high"),
  start_at: instant
    .optional()
    .describe(
      "Start then, not earlier; refused with `taken_then` when the GPUs are not free at that time. Default: as soon as possible",
    ),
  webhook: webhookUrl
    .optional()
    .describe("Where the server posts what happens to it, signed (docs/webhooks.md)"),
  image: imageReference
    .optional()
    .describe("What it runs, on a driver that has images. Default: the server's own"),
  build: id.optional().describe("In place of an image: one of the caller's builds (POST /v1/builds)"),
  entrypoint: z
    .enum(["keep"])
    .optional()
    .describe("keep: the image's own entrypoint runs beside sshd. Default: sshd alone"),
  node_labels: z
    .record(z.string().regex(LABEL_KEY, LABEL_FORMS), z.string().regex(LABEL_VALUE, LABEL_FORMS))
    .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS}`)
    .optional()
    .describe("Only on nodes that have all these labels, as `node_labels` of the availability lists them"),
});
export type CreateReservation = z.infer<typeof createReservation>;

export const patchReservation = z
  .strictObject({
    name: name.optional(),
    extend_s: z
      .int()
      .min(1, "must be more than 0")
      .max(MAX_DURATION_S)
      .optional()
      .describe("Seconds to add to the end"),
    extend_max: z
      .literal(true)
      .optional()
      .describe("As far as the type's maximum and the promises made to others allow"),
    webhook: webhookUrl.nullable().optional().describe("Another webhook, with another secret; null for none"),
    add_users: z
      .array(collaboratorWord)
      .min(1)
      .max(20)
      .optional()
      .describe(
        "Whom to share it with from now on, and with whom not any more; without the others, so that all or nothing is done",
      ),
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
    "give add_users and remove_users without the others",
  );
export type PatchReservation = z.infer<typeof patchReservation>;

export const event = z.object({
  version: z.int().describe("The reservation's version after the change: 1, 2, … without gaps"),
  at: instant,
  type: z.string(),
  state: z.enum(STATES),
  detail: z.string().nullable(),
});
export type ReservationEvent = z.infer<typeof event>;

export const reservationPage = page(reservation);
export const eventPage = page(event);

export const listReservationsQuery = pageQuery.extend({
  state: z
    .enum(["live", "all", ...STATES])
    .optional()
    .describe('Which: "live" (not ended, the default), "all", or one state'),
  name: z
    .string()
    .max(63)
    .optional()
    .describe("Exact name, together with `state`: of live ones at most one has it"),
  id_prefix: z
    .string()
    .regex(/^[a-z2-7]{4,20}$/, "4 to 20 characters of an id")
    .optional()
    .describe("Beginning of the id, 4 or more characters"),
  gpu_type: z.string().max(63).optional().describe("Only of this GPU type"),
  sort: z
    .enum(RESERVATION_ORDERS)
    .optional()
    .describe('"-" is the largest first; without an end yet counts as the last to end. Default: -created_at'),
});
export type ListReservationsQuery = z.input<typeof listReservationsQuery>;
export const listEventsQuery = pageQuery.extend({
  after: z
    .string()
    .regex(/^\d{1,9}$/, "a version, such as 3")
    .transform(Number)
    .optional()
    .describe("Only entries after this version"),
});
