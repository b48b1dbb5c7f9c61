/**
 * Giving up a host that is gone for good. An administrator's word stands for the driver's, which will never confirm that a pod is gone
 * (L-14), nor that a disk is. Should the host come back all the same, nothing is given twice: its old pods are of no live reservation
 * and are taken away before anything new goes there (L-12, S-01), and disks that are found there are their owners' again (D-11).
 */
import { Problem } from "../../api/errors.ts";
import type { NodeLosses } from "../../api/inventory.ts";
import type { NodeCapacity } from "../../drivers/driver.ts";
import { allocationsOf } from "../../store/allocations.ts";
import { deleteNodes } from "../../store/capacity.ts";
import type { Tx } from "../../store/db.ts";
import { finishOperation } from "../../store/disk-operations.ts";
import type { OperationRow } from "../../store/disk-tables.ts";
import { takeDisk, updateDisk } from "../../store/disks.ts";
import { ALL, markPlan } from "../../store/plan-changes.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { record } from "../audit/record.ts";
import { endedProblem, endReservation, finishReservation, isFinal } from "../change.ts";
import type { Core } from "../core.ts";
import { cleared, undo, vanish } from "../disks/jobs.ts";
import { auditDisk, auditOver } from "../disks/open.ts";
import { countFinding } from "../findings.ts";
import { newId } from "../ids.ts";
import type { Caller } from "../people/access.ts";
import { requireAdmin } from "../people/administrators.ts";
import { bounded, driverWords } from "../pods/pod.ts";
import { decided } from "../race.ts";
import { becomesOf, isGone, type Lost, readLost, viewLosses } from "./losses.ts";
import { unknownNode } from "./nodes.ts";

/** One that was well for any server in this time is not gone: twice as long as each takes to look at all nodes. */
const MISSED_MS = 2 * 60_000;

/** What forgetNode would give up; it changes nothing. Throws Problem not_allowed, not_found, node_answers. */
export async function foreseeLosses(core: Core, caller: Caller, node: string): Promise<NodeLosses> {
  requireAdmin(caller, "nodes are for administrators");
  const { lost, now } = await core.store.read(async (db, at) => ({
    lost: await readLost(db, node),
    now: at,
  }));
  if (!lost) throw unknownNode(node);
  const configured = await requireSilence(core, lost.host);
  requireMissed(lost, now);
  return core.store.read((db) => viewLosses(db, lost, configured));
}

/** In one transaction; of a node that nothing is known of there is nothing to give up. Throws Problem not_allowed, node_answers, conflict. */
export async function forgetNode(core: Core, caller: Caller, node: string): Promise<NodeLosses> {
  requireAdmin(caller, "nodes are for administrators");
  const known = await core.store.read((db) => readLost(db, node));
  const configured = await requireSilence(core, known?.host ?? node);
  const { losses, ended } = await decided(() =>
    core.store.write(
      async (tx) => {
        const lost = await readLost(tx.db, node);
        if (!lost) return { losses: nothingOf(node, configured), ended: [] };
        requireMissed(lost, tx.now);
        const shown = await viewLosses(tx.db, lost, configured);
        return { losses: shown, ended: await giveUp(tx, caller.id, lost) };
      },
      { lock: "schedule" },
    ),
  );
  for (const row of ended) core.signals.emit("ended", row.id, endedProblem(row));
  core.signals.emit("wake");
  if (losses.nodes.length === 0) return losses;
  core.log(
    "warn",
    { node, reservations: losses.reservations.length, disks: losses.disks.length },
    "a node was given up as gone for good",
  );
  return losses;
}

const nothingOf = (node: string, configured: boolean): NodeLosses => ({
  node,
  nodes: [],
  configured,
  reservations: [],
  disks: [],
  operations: 0,
});

/** Asks the driver; whether it has such a host. Throws Problem node_answers, and unavailable when it does not say what it has. */
async function requireSilence(core: Core, host: string): Promise<boolean> {
  const offers = await bounded("capacity", core.driver.capacity()).catch((cause: unknown) => {
    const words = driverWords(cause);
    if (words === undefined) throw cause;
    throw new Problem("unavailable", `the driver cannot be asked for its nodes: ${words}`, { cause });
  });
  const own = offers.filter((offer) => (offer.host ?? offer.node) === host);
  if (own.length > 0 && (await answers(core, own))) throw notGone(host, "answers");
  return own.length > 0 || (core.disks?.names.includes(host) ?? false);
}

/** Whether it says which pods are there; a machine that is no host of its own is the server's. */
async function answers(core: Core, offers: readonly NodeCapacity[]): Promise<boolean> {
  const hosts = offers.map(({ host }) => host);
  if (hosts.includes(undefined)) return true;
  try {
    const { unasked } = await bounded("list", core.driver.list());
    return !unasked.some(({ host }) => hosts.includes(host));
  } catch (error) {
    if (driverWords(error) === undefined) throw error;
    return false;
  }
}

function requireMissed({ host, offers }: Lost, now: Date): void {
  const since = offers.map((offer) => offer.unhealthy_since ?? now.toISOString()).sort();
  const latest = since.at(-1);
  if (latest === undefined || now.getTime() - Date.parse(latest) >= MISSED_MS) return;
  throw notGone(host, "answered within the last two minutes");
}

const notGone = (host: string, how: string): Problem =>
  new Problem("node_answers", `node ${host} ${how}: only one that is gone for good can be forgotten`, {
    hint: `nothing new goes there after gpu-dev admin nodes cordon ${host}; drain says who is there`,
  });

/** The reservations that are over with it, or soon. */
async function giveUp(tx: Tx, actor: string, lost: Lost): Promise<ReservationRow[]> {
  await loseDisks(tx, actor, lost);
  for (const operation of lost.operations) await breakOff(tx, actor, lost, operation);
  for (const disk of lost.disks) if (isGone(disk, lost)) await vanish(tx, disk.id);
  const ended = [];
  for (const row of lost.reservations) ended.push(await endWith(tx, actor, lost, row));
  await deleteNodes(tx, lost.nodes);
  for (const type of new Set(lost.offers.map(({ gpu_type }) => gpu_type)))
    await markPlan(tx, newId(), type, [ALL]);
  const { nodes, reservations, disks } = lost;
  const detail = { nodes, reservations: reservations.length, disks: disks.length };
  await record(tx, actor, "node.forget", lost.host, JSON.stringify(detail));
  return ended.filter(({ state }) => state !== "preparing");
}

async function loseDisks(tx: Tx, actor: string, { host, disks }: Lost): Promise<void> {
  for (const { id, state } of disks) {
    await takeDisk(tx, id);
    if (state === "creating") continue;
    await updateDisk(tx, id, { lost_at: tx.at });
    await auditDisk(tx, actor, "disk.lost", id, `node ${host} is gone for good`);
  }
}

/** Whoever works on it has lost it. */
async function breakOff(tx: Tx, actor: string, { host }: Lost, operation: OperationRow): Promise<void> {
  const failed = { error: `node ${host} is gone for good` };
  const over = await finishOperation(tx, operation.id, operation.outcome === null ? failed : undefined);
  if (!over) return;
  if (operation.outcome === null) await undo(tx, over);
  await cleared(tx, over);
  await auditOver(tx, actor, over);
}

/** As it is then: over, or on its way. One of several nodes of which others go on is ended as ever, so that its pods there go first. */
async function endWith(tx: Tx, actor: string, lost: Lost, row: ReservationRow): Promise<ReservationRow> {
  if (becomesOf(row, lost) === "queued") return row;
  const by = { actor };
  if (row.state === "active") await countFinding(tx, "lost_pod");
  const ending =
    row.state === "ending" ? row : await endReservation(tx, row, by, "failed", reasonOf(row, lost));
  if (isFinal(ending)) return ending;
  const held = await allocationsOf(tx.db, [row.id]);
  const isOnlyThere = held.every(({ node }) => lost.nodes.includes(node));
  return isOnlyThere ? finishReservation(tx, ending, by) : ending;
}

function reasonOf(row: ReservationRow, { host, disks }: Lost): string {
  const disk = disks.find(({ id }) => id === row.disk_id)?.name;
  if (row.state === "queued") return `node ${host}, where its disk ${disk} was, is gone for good`;
  const also = disk === undefined ? "" : `, and its disk ${disk} with it`;
  return `node ${host}, where it ran, is gone for good${also}`;
}
