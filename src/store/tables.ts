/** The tables and what each column may hold. Instants are text in UTC, booleans 0 or 1 (design.md, "SQL portability"). */
import type { Kysely } from "kysely";
import { FINAL_STATES, PRIORITIES, STATES } from "../api/reservations.ts";
import type { KeyRow, TokenRow, UserRow } from "./account-tables.ts";
import { flag, instant, int, nullable, oneOf, type Row, text } from "./columns.ts";
import type { DiskRow, OperationRow, SnapshotRow } from "./disk-tables.ts";
import type { AllocationRow, CapacityRow, CordonRow, DeviceRow } from "./gpu-tables.ts";
import type { BuildRow, RegistryLoginRow } from "./image-tables.ts";
import type { IdentityRow, LoginRow } from "./login-tables.ts";
import type { MemberRow, QuotaRow, TeamRow } from "./quota-tables.ts";

export const serverShape = {
  /** Random per process; the prefix of its sessions. */
  name: text,
  /** The socket on which other servers reach its gateway; null without one. */
  address: nullable(text),
  started_at: instant,
  seen_at: instant,
  /** It takes nothing new, and lives until its sessions are over. */
  draining: flag,
};

/** A tunnel from its opening to its end. */
export const openTunnelShape = {
  session: text,
  /** That carries it. */
  server: text,
  user_id: text,
  reservation_id: text,
  node: int,
  port: int,
  remote_address: text,
  opened_at: instant,
};

export const reservationShape = {
  id: text,
  /** Order of creation, without regard to clocks. */
  seq: int,
  owner_id: text,
  name: nullable(text),
  state: oneOf(STATES),
  /** When it came to this state; pauses between retries grow with its age. */
  state_since: instant,
  reason: nullable(text),
  gpu_type: text,
  gpu_count: int,
  /** Rows of the allocation on each node: GPUs, or 1 for a type without GPUs. */
  places: int,
  /** How many nodes it takes, all at once. */
  node_count: int,
  priority: oneOf(PRIORITIES),
  simulated: flag,
  /** With all extensions. */
  duration_s: int,
  created_at: instant,
  /** Starts then and not earlier: it was reserved for that time. */
  not_before: nullable(instant),
  /** While queued: when the plan starts it and on which nodes (JSON); null when nobody can tell. */
  planned_start_at: nullable(instant),
  planned_nodes: nullable(text),
  /** While queued: it has no part in the plan until its owner's quotas have room for it. */
  waits_for_quota: flag,
  /** The latest start that the user was told; only capacity that is lost makes it later. */
  promised_start_at: nullable(instant),
  queue_deadline: instant,
  preparing_deadline: nullable(instant),
  /** Of the present attempt: GPUs were given, the driver took the launch, the first login was proved. */
  placed_at: nullable(instant),
  launched_at: nullable(instant),
  proved_at: nullable(instant),
  started_at: nullable(instant),
  ends_at: nullable(instant),
  /** Its end was begun; null for one that ended while it was queued. */
  ending_at: nullable(instant),
  ended_at: nullable(instant),
  /** While ending: the state that it ends in. */
  end_state: nullable(oneOf(FINAL_STATES)),
  node: nullable(text),
  isolation: nullable(text),
  ssh_user: nullable(text),
  host_key: nullable(text),
  /** Number of the pod; stored before the pod is asked for. 0: none was ever asked for. */
  attempt: int,
  ssh_attempts: int,
  /** The last of them, of any attempt at a pod; without a cause it worked. */
  ssh_tried_at: nullable(instant),
  ssh_cause: nullable(text),
  ssh_detail: nullable(text),
  last_error: nullable(text),
  /** While active: since when the driver has said that there is no such pod. */
  ghost_since: nullable(instant),
  /** Of the warnings before the present end the last that was given, in seconds ahead of it. */
  warned_s: nullable(int),
  /** Who may log in has changed since the pod was told. */
  keys_stale: flag,
  /** While active: since when it is seen without an ssh connection and without work for its GPUs. */
  idle_since: nullable(instant),
  /** When that was told in the pod. */
  idle_warned_at: nullable(instant),
  /** The disk that is its home, and whether nobody else can have it. */
  disk_id: nullable(text),
  disk_held: flag,
  /** As it was asked for; null for the driver's own, and for one that is built from a context. */
  image: nullable(text),
  build_id: nullable(text),
  entrypoint: nullable(oneOf(["keep"])),
  /** Labels that its nodes have to have, as `capacity.labels`; null for any node. */
  node_labels: nullable(text),
  version: int,
  next_step_at: nullable(instant),
  leased_by: nullable(text),
  leased_until: nullable(instant),
};

export const collaboratorShape = {
  reservation_id: text,
  kind: oneOf(["user", "github"]),
  /** The user's, or the account's in lower case. */
  name: text,
  user_id: nullable(text),
  /** Of an account: "type base64" lines, as they were when it was added. A user's are looked up. */
  public_keys: text,
  added_at: instant,
};

/** Where what happens to a reservation is posted. */
export const webhookShape = {
  reservation_id: text,
  url: text,
  /** Of the URL, with the port: those of one host are posted to in turns. */
  host: text,
  /** Signs what is posted, so that it cannot be only a hash. */
  secret: text,
  /** Why the last try failed; null when it was taken. */
  last_error: nullable(text),
};

/** What is to be posted: an entry of the history. */
export const deliveryShape = {
  id: text,
  reservation_id: text,
  version: int,
  event: text,
  at: instant,
  detail: nullable(text),
  /** Begun so far. */
  tries: int,
  /** While it is being tried: when others may take it for lost. */
  next_try_at: instant,
};

export const secretShape = {
  reservation_id: text,
  host_key: text,
  probe_key: text,
  probe_public: text,
  /** With these the nodes of a reservation reach each other; null for one node. */
  peer_key: nullable(text),
  peer_public: nullable(text),
};

export const eventShape = {
  reservation_id: text,
  version: int,
  at: instant,
  type: text,
  state: oneOf(STATES),
  detail: nullable(text),
};

export const auditShape = {
  id: text,
  at: instant,
  /** The user's id, "system", "pod" or "anonymous". */
  actor: text,
  action: text,
  subject: text,
  /** Words, or an object of JSON. */
  detail: nullable(text),
  /** "ok", or the code of the error that it was refused with. */
  outcome: text,
  /** Of who asked for it; null for what nobody asked for. */
  from_address: nullable(text),
  request_id: nullable(text),
};

export const idempotencyShape = {
  user_id: text,
  key: text,
  request_hash: text,
  reply: text,
  created_at: instant,
};

export const planChangeShape = {
  id: text,
  gpu_type: text,
  about: oneOf(["all", "node", "reservation", "more"]),
  name: nullable(text),
};

/** The stamp that the last plan of a type was given by whoever made it. */
const planShape = { gpu_type: text, stamp: text };

/** GPU seconds of a user up to `as_of`, of which each counts half after a week. */
export const usageShape = { user_id: text, gpu_seconds: int, as_of: instant };

/** How often something happened that leaves no row behind. */
const tallyShape = { name: text, label: text, total: int };
const metaShape = { key: text, value: text };
const migrationShape = { number: int, name: text, applied_at: instant };

export type ServerRow = Row<typeof serverShape>;
export type OpenTunnelRow = Row<typeof openTunnelShape>;
export type ReservationRow = Row<typeof reservationShape>;
export type CollaboratorRow = Row<typeof collaboratorShape>;
export type WebhookRow = Row<typeof webhookShape>;
export type DeliveryRow = Row<typeof deliveryShape>;
export type SecretRow = Row<typeof secretShape>;
export type EventRow = Row<typeof eventShape>;
export type AuditRow = Row<typeof auditShape>;
export type IdempotencyRow = Row<typeof idempotencyShape>;

export interface Tables {
  users: UserRow;
  tokens: TokenRow;
  identities: IdentityRow;
  logins: LoginRow;
  servers: ServerRow;
  open_tunnels: OpenTunnelRow;
  ssh_keys: KeyRow;
  capacity: CapacityRow;
  cordons: CordonRow;
  reservations: ReservationRow;
  collaborators: CollaboratorRow;
  webhooks: WebhookRow;
  deliveries: DeliveryRow;
  allocations: AllocationRow;
  devices: DeviceRow;
  secrets: SecretRow;
  events: EventRow;
  disks: DiskRow;
  snapshots: SnapshotRow;
  disk_operations: OperationRow;
  registry_logins: RegistryLoginRow;
  builds: BuildRow;
  teams: TeamRow;
  team_members: MemberRow;
  quotas: QuotaRow;
  audit: AuditRow;
  audit_retention: { before: string };
  idempotency_keys: IdempotencyRow;
  plan_changes: Row<typeof planChangeShape>;
  plans: Row<typeof planShape>;
  usage: Row<typeof usageShape>;
  tallies: Row<typeof tallyShape>;
  meta: Row<typeof metaShape>;
  schema_migrations: Row<typeof migrationShape>;
}

/** A connection, a transaction or a pool: whatever takes statements. */
export type Db = Kysely<Tables>;
