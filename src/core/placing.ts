/** Gives free GPUs to those who wait. Always under the schedule lock: one plan at a time, in all servers. */
import { allocate, type Taken } from "../store/allocations.ts";
import { listCapacity } from "../store/capacity.ts";
import type { Tx } from "../store/db.ts";
import { findReservation, listQueue, type QueueRow } from "../store/reservations.ts";
import { insertSecrets } from "../store/secrets.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { changeReservation, LostRace, SYSTEM } from "./change.ts";
import type { Core } from "./core.ts";
import { freePlaces, takenPlaces } from "./devices.ts";
import { newKeyPair } from "./key-pair.ts";
import { PREPARING_MS } from "./lifecycle.ts";
import { freeAfter, type PlanRequest } from "./plan/model.ts";
import { plan } from "./plan.ts";
import { insertPodToken } from "./pod-token.ts";

export interface TypePlan {
  readonly queue: readonly QueueRow[];
  /** Those that start now. */
  readonly placements: readonly { readonly id: string; readonly nodes: readonly string[] }[];
  /** By request, when it starts; null when that is unknown. */
  readonly starts: ReadonlyMap<string, Date | null>;
}

/** Somebody who wants places of a node for a time and has been promised nothing. */
export const newcomer = (id: string, seq: number, places: number, durationS: number): PlanRequest => ({
  id,
  seq,
  places,
  nodes: 1,
  durationS,
  notBefore: undefined,
  place: undefined,
  promised: undefined,
  priority: 0,
  share: 0,
});

/** The plan of one GPU type as the database has it now, with newcomers behind the queue if some are given. */
export async function planType(
  db: Db,
  gpuType: string,
  now: Date,
  newcomers: readonly PlanRequest[] = [],
): Promise<TypePlan> {
  const nodes = await listCapacity(db, gpuType);
  const taken = await takenPlaces(db, nodes);
  const queue = await listQueue(db, gpuType);
  const { planned } = plan(
    nodes.map((n) => ({ node: n.node, places: n.places, open: n.healthy === 1 })),
    taken.map((t) => ({ node: t.node, places: 1, freeAt: freeAt(t) })),
    [
      ...queue.map((r, i) => ({ ...newcomer(r.id, i, r.places, r.duration_s), nodes: r.node_count })),
      ...newcomers,
    ],
    now.getTime(),
  );
  const all = [...planned.values()];
  return {
    queue,
    placements: all.flatMap(({ id, startsNow, nodes }) => (startsNow ? [{ id, nodes }] : [])),
    starts: new Map(all.map(({ id, start }) => [id, start === null ? null : new Date(start)])),
  };
}

function freeAt(taken: Taken): number | undefined {
  // An end that does not come about has no time.
  if (taken.state === "ending" && taken.last_error !== null) return undefined;
  if (taken.ends_at !== null) return freeAfter(Date.parse(taken.ends_at), 0);
  if (taken.preparing_deadline === null) return undefined;
  return freeAfter(Date.parse(taken.preparing_deadline), taken.duration_s);
}

/** Places all of a type's queue that fits now; returns those that were placed. */
export async function placeQueue(tx: Tx, core: Core, gpuType: string): Promise<ReservationRow[]> {
  const { placements } = await planType(tx.db, gpuType, tx.now);
  const placed: ReservationRow[] = [];
  for (const { id, nodes } of placements) {
    const row = await findReservation(tx.db, id);
    if (row) placed.push(await place(tx, core, row, nodes));
  }
  return placed;
}

/** The attempt is stored here, before anything is asked for outside (L-04). */
async function place(
  tx: Tx,
  core: Core,
  row: ReservationRow,
  nodes: readonly string[],
): Promise<ReservationRow> {
  const [node = ""] = nodes;
  const places = await freePlaces(tx.db, row, nodes);
  if (!places || !(await allocate(tx, places)))
    throw new LostRace(`a GPU of ${nodes.join(", ")} was given away meanwhile`);
  const host_key = row.host_key ?? (await makeKeys(tx, row));
  return changeReservation(
    tx,
    row,
    { actor: SYSTEM },
    { type: "preparing", detail: `placed on ${nodes.join(", ")}` },
    {
      state: "preparing",
      reason: null,
      last_error: null,
      node,
      host_key,
      isolation: core.driver.isolation,
      ssh_user: core.driver.sshUser,
      attempt: row.attempt + 1,
      placed_at: tx.at,
      launched_at: null,
      proved_at: null,
      preparing_deadline: new Date(tx.now.getTime() + PREPARING_MS).toISOString(),
      next_step_at: tx.at,
    },
  );
}

/** The pod's host key, the probe's key and the pod's token; kept over attempts, so that clients know one host key. */
async function makeKeys(tx: Tx, row: ReservationRow): Promise<string> {
  const [host, probe] = [newKeyPair(), newKeyPair()];
  const secrets = {
    reservation_id: row.id,
    host_key: host.privateKey,
    probe_key: probe.privateKey,
    probe_public: probe.publicKey,
    ...(row.node_count === 1 ? { peer_key: null, peer_public: null } : peerKeys()),
  };
  await insertSecrets(tx, secrets);
  await insertPodToken(tx, row, secrets);
  return host.publicKey;
}

/** With these the nodes of the reservation reach each other. */
function peerKeys() {
  const { privateKey, publicKey } = newKeyPair();
  return { peer_key: privateKey, peer_public: publicKey };
}
