/** Nodes as administrators see them. A *cordoned* node gets nothing new; what runs there goes on to its end (S-07). */
import { Problem } from "../../api/errors.ts";
import type { Node, NodeHolder } from "../../api/inventory.ts";
import type { Page } from "../../api/schemas.ts";
import { type Holder, holdersOn, listHeld } from "../../store/allocations.ts";
import { listCapacity } from "../../store/capacity.ts";
import { deleteCordon, insertCordon, listCordons } from "../../store/cordons.ts";
import { ALL, markPlan } from "../../store/plan-changes.ts";
import type { Db } from "../../store/tables.ts";
import { userNames } from "../../store/users.ts";
import { record } from "../audit/record.ts";
import type { Core } from "../core.ts";
import { type PageQuery, pageOfNamed } from "../cursor.ts";
import { newId } from "../ids.ts";
import type { Caller } from "../people/access.ts";
import { requireAdmin } from "../people/administrators.ts";
import { freeAt } from "../planning/holds.ts";
import { labelsOf } from "./labels.ts";

/** By name. Throws Problem not_allowed. */
export async function listNodes(core: Core, caller: Caller, query: PageQuery = {}): Promise<Page<Node>> {
  requireAdmin(caller, "nodes are for administrators");
  return pageOfNamed(await core.store.read(viewNodes), query, "nodes", (node) => node.name);
}

/** Doing it again does nothing. Throws Problem not_allowed, not_found. */
export async function setCordon(core: Core, caller: Caller, node: string, cordoned: boolean): Promise<Node> {
  requireAdmin(caller, "nodes are for administrators");
  const changed = await core.store.write(
    async (tx) => {
      const known = (await viewNodes(tx.db)).find((one) => one.name === node);
      if (!known) throw unknownNode(node);
      const row = { node, since: tx.at, by_user: caller.id };
      const done = cordoned ? await insertCordon(tx, row) : await deleteCordon(tx, node);
      if (done) {
        for (const type of known.gpu_types) await markPlan(tx, newId(), type.name, [ALL]);
        const action = cordoned ? "node.cordon" : "node.uncordon";
        await record(tx, caller.id, action, node);
      }
      return (await viewNodes(tx.db)).find((one) => one.name === node) ?? known;
    },
    { lock: "schedule" },
  );
  core.signals.emit("wake");
  return changed;
}

/** By id. Throws Problem not_found. */
export async function listHolders(
  core: Core,
  node: string,
  query: PageQuery = {},
): Promise<Page<NodeHolder>> {
  const all = await core.store.read(async (db, now) => {
    if (!(await viewNodes(db)).some((one) => one.name === node)) throw unknownNode(node);
    const rows = await holdersOn(db, node);
    const owners = await userNames(db, [...new Set(rows.map((row) => row.owner_id))]);
    return rows.map((row) => viewHolder(row, owners.get(row.owner_id) ?? "", now));
  });
  return pageOfNamed(all, query, `holders of ${node}`, (holder) => holder.id);
}

function viewHolder(row: Holder, owner: string, now: Date): NodeHolder {
  const { id, name, state, places } = row;
  const gone = freeAt(row, now.getTime());
  return {
    id,
    name,
    owner,
    state,
    places,
    gone_by: gone === undefined ? null : new Date(gone).toISOString(),
  };
}

export const unknownNode = (node: string): Problem =>
  new Problem("not_found", `there is no node ${node}`, { hint: "gpu-dev admin nodes lists them" });

/** What the driver reports, and what is cordoned even while the driver does not report it. */
async function viewNodes(db: Db): Promise<Node[]> {
  const offers = Map.groupBy(await listCapacity(db), (offer) => offer.node);
  const held = Map.groupBy(await listHeld(db), (one) => one.node);
  const cordons = new Map((await listCordons(db)).map((cordon) => [cordon.node, cordon]));
  return [...new Set([...offers.keys(), ...cordons.keys()])].sort().map((name) => {
    const own = offers.get(name) ?? [];
    return {
      name,
      labels: labelsOf(own[0]?.labels ?? null),
      healthy: own.length > 0 && own.every((offer) => offer.healthy === 1),
      fault:
        own.length === 0
          ? "its driver does not report it"
          : (own.find((offer) => offer.fault !== null)?.fault ?? null),
      unhealthy_since: own.flatMap((offer) => offer.unhealthy_since ?? []).sort()[0] ?? null,
      cordoned_at: cordons.get(name)?.since ?? null,
      gpu_types: own.map(({ gpu_type, places, simulated }) => ({
        name: gpu_type,
        places,
        simulated: simulated === 1,
      })),
      reservations: held.get(name)?.length ?? 0,
    };
  });
}
