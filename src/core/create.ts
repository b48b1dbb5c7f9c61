/** Making a reservation: checked, written as `queued`, and placed in the same transaction when it can start at once. */
import { exactDuration } from "../api/duration.ts";
import { Problem } from "../api/errors.ts";
import type { GpuType } from "../api/inventory.ts";
import { nearest } from "../api/nearest.ts";
import type { CreateReservation, Reservation } from "../api/reservations.ts";
import type { Tx } from "../store/db.ts";
import type { DiskRow } from "../store/disk-tables.ts";
import { listKeys } from "../store/keys.ts";
import { findReservation, insertReservation, nextSeq } from "../store/reservations.ts";
import type { ReservationRow } from "../store/tables.ts";
import { saveWebhook } from "../store/webhooks.ts";
import { recordChange } from "./change.ts";
import type { Core } from "./core.ts";
import { refuseSeveral, takeFreeDisk } from "./disks/hold.ts";
import { requireNode } from "./disks/host.ts";
import { shapeOf } from "./gpus/counts.ts";
import { findGpuType, gpuTypeNames } from "./gpus/inventory.ts";
import { labelsText, requireLabels } from "./gpus/labels.ts";
import { answerOnce, type Idempotency } from "./idempotency.ts";
import { newId } from "./ids.ts";
import { checkImage } from "./images/check-image.ts";
import { QUEUED_MS, wanted } from "./lifecycle.ts";
import type { Caller } from "./people/access.ts";
import { addKey } from "./people/keys.ts";
import { parsePublicKey } from "./people/public-key.ts";
import { reasonOf } from "./plan/reason.ts";
import { carryOut, planChanges, plannedOf, planWith } from "./planning/planning.ts";
import { promiseWords } from "./planning/promises.ts";
import { checkStart, refuseLateStart } from "./planning/start-time.ts";
import { checkQuotas, overQuota } from "./quotas/check.ts";
import { waitReason } from "./quotas/line.ts";
import { decided } from "./race.ts";
import { viewReservations, viewWebhooks } from "./view.ts";
import { checkWebhook, newWebhook } from "./webhooks/webhooks.ts";

/** Throws Problem: invalid_input, impossible_request, no_ssh_key, not_allowed, name_taken, no_capacity, taken_then, over_quota, idempotency_mismatch, and of its disk not_found, disk_deleted, disk_in_use, disk_busy. */
export async function createReservation(
  core: Core,
  caller: Caller,
  input: CreateReservation,
  idempotency?: Idempotency,
): Promise<{ reservation: Reservation; replayed: boolean }> {
  checkTrust(core, caller);
  const made = await decided(() =>
    core.store.write(
      async (tx) => {
        const { body, replayed } = await answerOnce(tx, caller, idempotency, () =>
          create(core, tx, caller, input),
        );
        const webhook = (await viewWebhooks(tx.db, [body.id])).get(body.id) ?? null;
        return { reservation: { ...body, webhook }, replayed };
      },
      { lock: "schedule" },
    ),
  );
  core.signals.emit("wake");
  return made;
}

/** Throws Problem not_allowed for users whom the driver cannot keep apart from others. */
export function checkTrust(core: Core, caller: Caller): void {
  if (core.driver.isolation !== "processes" || caller.role === "admin") return;
  throw new Problem(
    "not_allowed",
    "this server runs pods as plain processes, which are one trust domain: only administrators may reserve here",
    { hint: "run the server as root on Linux, so that it can keep pods apart" },
  );
}

/** Without its webhook: the answer is kept, and URL and secret must not outlive their row. */
async function create(core: Core, tx: Tx, caller: Caller, input: CreateReservation): Promise<Reservation> {
  const made = await insertAndPlace(core, tx, caller, input);
  const [seen] = await viewReservations(core, tx.db, [made], caller);
  if (!seen) throw new Error(`reservation ${made.id} cannot be shown`);
  return { ...seen, webhook: null };
}

/** Written as queued, and placed at once when the plan starts it now. Only in a transaction with the schedule lock. */
export async function insertAndPlace(
  core: Core,
  tx: Tx,
  caller: Caller,
  input: CreateReservation,
): Promise<ReservationRow> {
  if (input.public_key !== undefined) await addKey(tx, caller, parsePublicKey(input.public_key));
  const type = await checkRequest(core, tx, caller, input);
  // What got free belongs to those who wait, before a newcomer is looked at.
  await planChanges(tx, core, type.name);
  const disk = typeof input.disk === "string" ? await takeFreeDisk(tx, caller, input.disk) : undefined;
  const fresh = await newRow(tx, caller, input, type, disk);
  if (fresh.node_labels !== null) await requireLabels(tx.db, fresh);
  if (disk) await requireNode(core, tx.db, disk, fresh);
  const wait = await waitReason(tx.db, fresh, tx.now);
  if (wait !== undefined) refuseToWait(input, wait);
  const row = await insertReservation(tx, { ...fresh, ...waiting(wait) });
  if (!row)
    throw new Problem("name_taken", `you have a live reservation called ${input.name} already`, {
      hint: "choose another name, or cancel that one",
    });
  if (input.webhook !== undefined) await saveWebhook(tx, newWebhook(row.id, input.webhook));
  if (wait !== undefined) {
    await recordChange(tx, row, caller.id, { type: "created", detail: wait });
    return row;
  }
  const made = await planWith(tx, core, type.name, [{ about: "reservation", name: row.id }]);
  const its = plannedOf(made.plan, row.id);
  refuseLateStart(input, row, its);
  await recordChange(tx, row, caller.id, {
    type: "created",
    detail: promiseWords(its, reasonOf(made.plan, row.id, wanted(row))),
  });
  const placed = await carryOut(tx, core, type.name, made);
  return placed.find((p) => p.id === row.id) ?? (await findReservation(tx.db, row.id)) ?? row;
}

/** Who has no room in a quota has no part in the plan. */
const waiting = (reason: string | undefined): Partial<ReservationRow> =>
  reason === undefined ? {} : { waits_for_quota: 1, reason };

/** Nobody can tell when there is room: whoever wants it now or at a time is told no. */
function refuseToWait({ queue, start_at }: CreateReservation, reason: string): void {
  if (queue === false || start_at !== undefined)
    throw overQuota("gpu_count", `it cannot start ${start_at === undefined ? "now" : "then"}: it ${reason}`);
}

async function checkRequest(core: Core, tx: Tx, caller: Caller, input: CreateReservation): Promise<GpuType> {
  const type = await findGpuType(core, tx.db, input.gpu_type);
  if (!type) throw unknownType(input.gpu_type, await gpuTypeNames(tx.db));
  if (input.duration_s > type.max_duration_s)
    throw invalid("duration_s", `${type.name} is given for at most ${exactDuration(type.max_duration_s)}`);
  const gpu_count = input.gpu_count ?? type.gpus_per_slot;
  const { node_count } = shapeOf(type, gpu_count, input.multi_node);
  await checkQuotas(tx.db, caller.id, { ...input, gpu_count }, tx.now);
  if (typeof input.disk === "string") refuseSeveral(node_count);
  await checkImage(core, tx, caller, input);
  checkStart(input, tx.now);
  if (input.webhook !== undefined) checkWebhook(core, input.webhook);
  if (input.priority === "high" && caller.role !== "admin")
    throw new Problem("not_allowed", "only administrators give the priority high");
  if ((await listKeys(tx.db, caller.id, 1)).length === 0)
    throw new Problem("no_ssh_key", "you have no ssh key registered, so that you could not log in", {
      hint: "give one as `public_key`, or register it first: POST /v1/keys; the gpu-dev command does it by itself",
    });
  return type;
}

function unknownType(given: string, names: readonly string[]): Problem {
  const known = names.length === 0 ? "this server offers none at present" : `there are: ${names.join(", ")}`;
  const meant = nearest(given, names);
  const hint = meant === undefined ? undefined : `did you mean ${meant}?`;
  return invalid("gpu_type", `there is no GPU type ${JSON.stringify(given)}; ${known}`, hint);
}

function invalid(field: string, detail: string, hint?: string): Problem {
  return new Problem("invalid_input", `${field}: ${detail}`, {
    hint,
    errors: [{ field, code: "invalid", detail }],
  });
}

async function newRow(
  tx: Tx,
  caller: Caller,
  input: CreateReservation,
  type: GpuType,
  disk: DiskRow | undefined,
): Promise<ReservationRow> {
  const gpu_count = input.gpu_count ?? type.gpus_per_slot;
  return {
    id: newId(),
    seq: await nextSeq(tx),
    owner_id: caller.id,
    name: input.name ?? null,
    state: "queued",
    state_since: tx.at,
    reason: null,
    gpu_type: type.name,
    gpu_count,
    ...shapeOf(type, gpu_count, input.multi_node),
    priority: input.priority ?? "normal",
    simulated: type.simulated ? 1 : 0,
    duration_s: input.duration_s,
    created_at: tx.at,
    not_before: input.start_at ?? null,
    waits_for_quota: 0,
    planned_start_at: null,
    planned_nodes: null,
    promised_start_at: null,
    queue_deadline: new Date(tx.now.getTime() + QUEUED_MS).toISOString(),
    preparing_deadline: null,
    placed_at: null,
    launched_at: null,
    proved_at: null,
    started_at: null,
    ends_at: null,
    ending_at: null,
    ended_at: null,
    end_state: null,
    node: null,
    isolation: null,
    ssh_user: null,
    host_key: null,
    attempt: 0,
    ssh_attempts: 0,
    ssh_tried_at: null,
    ssh_cause: null,
    ssh_detail: null,
    last_error: null,
    ghost_since: null,
    warned_s: null,
    keys_stale: 0,
    idle_since: null,
    idle_warned_at: null,
    disk_id: disk?.id ?? null,
    disk_held: disk ? 1 : 0,
    image: input.image ?? null,
    build_id: input.build ?? null,
    entrypoint: input.entrypoint ?? null,
    node_labels: labelsText(input.node_labels),
    version: 1,
    next_step_at: tx.at,
    leased_by: null,
    leased_until: null,
  };
}
