/**
 * What changed since the plan of a type was made. Whoever plans takes it, in the transaction that stores the new plan and stamps it: so
 * whoever made the plan before, and finds his own stamp, knows what it was made of but for these changes.
 */
import { checkRow, type Row, text } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, planChangeShape } from "./tables.ts";

const { about, name } = planChangeShape;
const changeShape = { about, name };
/**
 * What a plan counts on that may be different now: all of it; what a node (`name`) has of the type, and who holds that; or whether a
 * reservation (`name`) waits. With `more` nothing is, and the plan is to be gone on with.
 */
export type PlanChange = Row<typeof changeShape>;

export const ALL: PlanChange = { about: "all", name: null };
const MORE: PlanChange = { about: "more", name: null };

/**
 * The plans of this type and of those that share GPUs with it are to be made anew: something that they count on has changed, in
 * this very transaction. Each has marks of its own, which stay until its own plan is made, whatever becomes of the others'.
 */
export async function markPlan(
  tx: Tx,
  changeId: string,
  gpuType: string,
  changes: readonly PlanChange[],
): Promise<void> {
  const types = new Set([gpuType, ...(await typesSharing(tx.db, gpuType))]);
  await insertMarks(tx, changeId, [...types], changes);
}

/** The same for those alone that share GPUs with it. */
export async function markSharing(
  tx: Tx,
  changeId: string,
  gpuType: string,
  changes: readonly PlanChange[],
): Promise<void> {
  const types = new Set(await typesSharing(tx.db, gpuType));
  types.delete(gpuType);
  await insertMarks(tx, changeId, [...types], changes);
}

/** The plan of this type is to be gone on with; it changes nothing that others count on. */
export const markMore = (tx: Tx, changeId: string, gpuType: string): Promise<void> =>
  insertMarks(tx, changeId, [gpuType], [MORE]);

async function insertMarks(
  tx: Tx,
  changeId: string,
  types: readonly string[],
  changes: readonly PlanChange[],
): Promise<void> {
  const marks = types.flatMap((gpu_type) =>
    changes.map((change, i) => ({ id: `${changeId} ${i} ${gpu_type}`, gpu_type, ...change })),
  );
  if (marks.length > 0) await tx.db.insertInto("plan_changes").values(marks).execute();
}

/** Takes what has changed of a type, to plan with it. Whatever a change is about is to be read after this. */
export async function takeChanges(tx: Tx, gpuType: string): Promise<PlanChange[]> {
  const rows = await tx.db
    .deleteFrom("plan_changes")
    .where("gpu_type", "=", gpuType)
    .returning(["about", "name"])
    .execute();
  return rows.map((row) => checkRow("plan_changes", changeShape, row));
}

/** The stamp that the plan of a type was given last. Under the schedule lock it stays so. */
export async function stampOf(db: Db, gpuType: string): Promise<string | undefined> {
  const row = await db.selectFrom("plans").select("stamp").where("gpu_type", "=", gpuType).executeTakeFirst();
  return row && checkRow("plans", { stamp: text }, row).stamp;
}

/** Gives the plan of a type a stamp. Only under the schedule lock. */
export async function stampPlan(tx: Tx, gpuType: string, stamp: string): Promise<void> {
  await tx.db
    .insertInto("plans")
    .values({ gpu_type: gpuType, stamp })
    .onConflict((oc) => oc.column("gpu_type").doUpdateSet({ stamp }))
    .execute();
}

/** The types that share GPUs with this one, as slices of them: what is given back of one may be a place of another. */
async function typesSharing(db: Db, gpuType: string): Promise<string[]> {
  const slices = await db
    .selectFrom("capacity")
    .select(["gpu_type", "slice_of"])
    .distinct()
    .where("slice_of", "is not", null)
    .execute();
  const devices = new Set<string | null>([gpuType]);
  for (const slice of slices) if (slice.gpu_type === gpuType) devices.add(slice.slice_of);
  return slices.flatMap(({ gpu_type, slice_of }) =>
    slice_of !== null && devices.has(slice_of) ? [gpu_type, slice_of] : [],
  );
}
