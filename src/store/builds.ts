/** Contexts that images are built from, and when each was last needed. */
import type { State } from "../api/reservations.ts";
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type BuildRow, buildShape } from "./image-tables.ts";
import type { Db } from "./tables.ts";

const checked = (row: object): BuildRow => checkRow("builds", buildShape, row);

/** Undefined when the owner has one of that content. */
export async function insertBuild(tx: Tx, row: BuildRow): Promise<BuildRow | undefined> {
  const made = await tx.db
    .insertInto("builds")
    .values(row)
    .onConflict((oc) => oc.columns(["owner_id", "digest", "dockerfile"]).doNothing())
    .returningAll()
    .executeTakeFirst();
  return made && checked(made);
}

export async function findBuild(db: Db, id: string): Promise<BuildRow | undefined> {
  const row = await db.selectFrom("builds").selectAll().where("id", "=", id).executeTakeFirst();
  return row && checked(row);
}

export async function findBuildOf(
  db: Db,
  { owner_id, digest, dockerfile }: Pick<BuildRow, "owner_id" | "digest" | "dockerfile">,
): Promise<BuildRow | undefined> {
  const row = await db
    .selectFrom("builds")
    .selectAll()
    .where("owner_id", "=", owner_id)
    .where("digest", "=", digest)
    .where("dockerfile", "=", dockerfile)
    .executeTakeFirst();
  return row && checked(row);
}

/** Undefined when so many have not been received (any more), or it is gone. */
export async function updateBuild(
  tx: Tx,
  { id, received }: Pick<BuildRow, "id" | "received">,
  change: Partial<BuildRow>,
): Promise<BuildRow | undefined> {
  const row = await tx.db
    .updateTable("builds")
    .set(change)
    .where("id", "=", id)
    .where("received", "=", received)
    .returningAll()
    .executeTakeFirst();
  return row && checked(row);
}

/** What there is, or will be, of an owner's on disk. */
export async function storedOf(db: Db, ownerId: string): Promise<{ contexts: number; bytes: number }> {
  const row = await db
    .selectFrom("builds")
    .select((eb) => [eb.fn.countAll().as("n"), eb.fn.sum<number | null>("bytes").as("bytes")])
    .where("owner_id", "=", ownerId)
    .where("stored", "=", 1)
    .executeTakeFirstOrThrow();
  return { contexts: count(row.n), bytes: count(row.bytes ?? 0) };
}

/** Those that nobody asked for or needed since, the longest first. */
export async function listUnusedBuilds(db: Db, since: string): Promise<BuildRow[]> {
  const rows = await db
    .selectFrom("builds")
    .selectAll()
    .where("used_at", "<", since)
    .orderBy("used_at")
    .execute();
  return rows.map(checked);
}

export async function buildKeys(
  db: Db,
): Promise<Pick<BuildRow, "id" | "owner_id" | "digest" | "dockerfile">[]> {
  return db.selectFrom("builds").select(["id", "owner_id", "digest", "dockerfile"]).execute();
}

export async function deleteBuild(tx: Tx, id: string): Promise<void> {
  await tx.db.deleteFrom("builds").where("id", "=", id).execute();
}

/** Which builds the reservations in these states name. */
export async function namedBuilds(db: Db, states: readonly State[]): Promise<Set<string>> {
  const rows = await db
    .selectFrom("reservations")
    .select("build_id")
    .where("build_id", "is not", null)
    .where("state", "in", states)
    .execute();
  return new Set(rows.flatMap((row) => row.build_id ?? []));
}
