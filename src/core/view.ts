/** Rows as the contract shows them. */
import type { Reservation } from "../api/reservations.ts";
import { allocationsOf } from "../store/allocations.ts";
import { collaboratorsOf } from "../store/collaborators.ts";
import { diskNames } from "../store/disks.ts";
import type { AllocationRow } from "../store/gpu-tables.ts";
import { queuePositions } from "../store/plans.ts";
import type { CollaboratorRow, Db, ReservationRow } from "../store/tables.ts";
import { userNames } from "../store/users.ts";
import { webhooksOf } from "../store/webhooks.ts";
import type { Core } from "./core.ts";
import { labelsOf } from "./gpus/labels.ts";
import { idleAfterS, idleEndMs } from "./pods/idle.ts";

interface Viewer {
  readonly id: string;
  readonly reservationId?: string;
}

/** The contract's objects for these rows, in their order, from the snapshot that `db` sees. */
export async function viewReservations(
  core: Core,
  db: Db,
  rows: readonly ReservationRow[],
  caller: Viewer,
): Promise<Reservation[]> {
  const shared = Map.groupBy(
    await collaboratorsOf(
      db,
      rows.map((r) => r.id),
    ),
    (c) => c.reservation_id,
  );
  const owners = await userNames(db, [...new Set(rows.map((r) => r.owner_id))]);
  const allocations = Map.groupBy(
    await allocationsOf(
      db,
      rows.map((r) => r.id),
    ),
    (a) => a.reservation_id,
  );
  const positions = await positionsOf(db, rows);
  const webhooks = await ownWebhooks(db, rows, caller);
  const disks = await diskNames(db, [...new Set(rows.flatMap((r) => r.disk_id ?? []))]);
  return rows.map((row) => ({
    ...view(core, row, owners.get(row.owner_id) ?? "", allocations.get(row.id) ?? [], positions.get(row.id)),
    disk: disks.get(row.disk_id ?? "") ?? null,
    access: accessOf(row, caller),
    collaborators: (shared.get(row.id) ?? []).map(viewCollaborator),
    webhook: webhooks.get(row.id) ?? null,
  }));
}

/** While nobody uses it: when it is ended for that. */
function idleEnd(core: Core, row: ReservationRow): string | null {
  const afterS = idleAfterS(core, row.gpu_type);
  if (row.state !== "active" || row.idle_since === null || afterS === undefined) return null;
  return new Date(idleEndMs(row, afterS)).toISOString();
}

/** Of whom they are, and not of a pod, whose token all that come in can read. */
async function ownWebhooks(
  db: Db,
  rows: readonly ReservationRow[],
  caller: Viewer,
): Promise<Map<string, Reservation["webhook"]>> {
  const own = rows.filter((row) => accessOf(row, caller) === "owner").map((row) => row.id);
  return viewWebhooks(db, own);
}

/** By reservation, for their owner's eyes. */
export async function viewWebhooks(
  db: Db,
  ids: readonly string[],
): Promise<Map<string, Reservation["webhook"]>> {
  const found = await webhooksOf(db, ids);
  return new Map(found.map(({ reservation_id, host: _, ...webhook }) => [reservation_id, webhook]));
}

function accessOf(row: ReservationRow, caller: Viewer): Reservation["access"] {
  if (caller.reservationId !== undefined) return "pod";
  return row.owner_id === caller.id ? "owner" : "collaborator";
}

const viewCollaborator = ({
  kind,
  name,
  public_keys,
}: CollaboratorRow): Reservation["collaborators"][number] => ({
  kind,
  name,
  keys: kind === "user" ? null : public_keys.split("\n").length,
});

/** Places in the queue, one question for each type: what was planned is stored, and nothing is planned here. */
async function positionsOf(db: Db, rows: readonly ReservationRow[]): Promise<Map<string, number>> {
  const positions: [string, number][] = [];
  const queued = rows.filter((row) => row.state === "queued");
  for (const [gpuType, of] of Map.groupBy(queued, (row) => row.gpu_type))
    positions.push(
      ...(await queuePositions(
        db,
        gpuType,
        of.map((row) => row.id),
      )),
    );
  return new Map(positions);
}

function view(
  core: Core,
  row: ReservationRow,
  owner: string,
  held: readonly AllocationRow[],
  position: number | undefined,
): Omit<Reservation, "access" | "collaborators" | "webhook" | "disk"> {
  const queued = row.state === "queued";
  return {
    id: row.id,
    name: row.name,
    owner,
    state: row.state,
    reason: reasonOf(row, position),
    gpu_type: row.gpu_type,
    gpu_count: row.gpu_count,
    simulated: row.simulated === 1,
    duration_s: row.duration_s,
    disk_id: row.disk_id,
    image: row.image,
    build_id: row.build_id,
    entrypoint: row.entrypoint,
    node_labels: labelsOf(row.node_labels),
    created_at: row.created_at,
    placed_at: row.placed_at,
    launched_at: row.launched_at,
    proved_at: row.proved_at,
    started_at: row.started_at,
    ends_at: row.ends_at,
    ending_at: row.ending_at,
    ended_at: row.ended_at,
    priority: row.priority,
    start_at: row.not_before,
    queue_position: position ?? null,
    latest_start_at: queued ? row.promised_start_at : null,
    estimated_start_at: queued ? row.planned_start_at : null,
    node: row.node,
    node_count: row.node_count,
    nodes: viewNodes(core, row, held),
    gpus: gpusOf(
      row,
      held.filter((a) => a.node_rank === 0),
    ),
    isolation: row.isolation,
    ssh_host: `${row.id}.${core.settings.domain}`,
    ssh_user: row.ssh_user,
    host_key: row.host_key,
    attempt: row.attempt,
    ssh_attempts: row.ssh_attempts,
    idle_since: row.state === "active" ? row.idle_since : null,
    idle_ends_at: idleEnd(core, row),
    last_error: row.last_error,
    version: row.version,
  };
}

/** A place of a type without GPUs is no GPU. */
const gpusOf = (row: ReservationRow, held: readonly AllocationRow[]): number[] =>
  row.gpu_count === 0 ? [] : held.map((a) => a.gpu_index);

/** The first node's host has no number behind its name. */
const viewNodes = (core: Core, row: ReservationRow, held: readonly AllocationRow[]): Reservation["nodes"] =>
  [...Map.groupBy(held, (a) => a.node_rank)].map(([rank, places]) => ({
    rank,
    node: places[0]?.node ?? "",
    gpus: gpusOf(row, places),
    ssh_host: `${row.id}${rank === 0 ? "" : `-${rank}`}.${core.settings.domain}`,
  }));

/** How many are ahead changes with every other one; the rest of the reason is stored with the place. */
function reasonOf(row: ReservationRow, position = 1): string | null {
  if (position === 1 || row.reason === null) return row.reason;
  return `${row.reason}; ${position - 1} ${position === 2 ? "is" : "are"} ahead`;
}
