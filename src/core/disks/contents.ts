/** What was on a disk when a snapshot was taken of it (D-07). */
import type { ContentsPage, DiskEntry } from "../../api/disks.ts";
import { Problem } from "../../api/errors.ts";
import type { DiskEntry as Found } from "../../drivers/disks.ts";
import type { DiskRow, SnapshotRow } from "../../store/disk-tables.ts";
import { findSnapshot } from "../../store/snapshots.ts";
import type { Core } from "../core.ts";
import { cursorPosition, DEFAULT_LIMIT, pageOf } from "../cursor.ts";
import type { Caller } from "../people/access.ts";
import { bounded, driverWords } from "../pods/pod.ts";
import { ownDisk, requireKept } from "./find.ts";
import { diskEngine } from "./host.ts";
import { unknownSnapshot } from "./requests.ts";
import { viewSnapshot } from "./view.ts";

interface ContentsQuery {
  readonly snapshot?: string | undefined;
  readonly path?: string | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/**
 * One directory, by name; of the last snapshot, unless another one is asked for. Throws Problem not_found, no_snapshot while there is
 * none, disk_lost, and unavailable when the listing cannot be read now: neither is ever an empty directory.
 */
export async function listContents(
  core: Core,
  caller: Caller,
  id: string,
  { snapshot: wish, path: given = "", limit = DEFAULT_LIMIT, cursor }: ContentsQuery,
): Promise<ContentsPage> {
  const path = given
    .split("/")
    .filter((part) => part !== "")
    .join("/");
  const filter = ["contents", id, wish, path];
  const after = cursorPosition(cursor, filter, "name");
  const { disk, snapshot } = await core.store.read(async (db) => {
    const own = await ownDisk(db, caller, id);
    requireKept(own);
    const wanted = wish ?? own.last_snapshot_id;
    if (wanted === null) throw noSnapshot(own);
    const found = await findSnapshot(db, wanted);
    if (found?.disk_id !== id || found.state !== "ready") throw unknownSnapshot(own, wanted);
    return { disk: own, snapshot: found };
  });
  const entries = await readEntries(core, disk, snapshot, path, {
    ...(after ? { after } : {}),
    limit: limit + 1,
  });
  if (entries === "absent")
    throw new Problem(
      "not_found",
      `there is no directory ${path || "/"} in snapshot ${snapshot.id} of ${disk.name}`,
      { hint: `its top: gpu-dev disk contents ${disk.name} --snapshot ${snapshot.id}` },
    );
  const page = pageOf(entries, entries.map(viewEntry), limit, filter, (entry) => [entry.name, id]);
  return { ...page, snapshot: viewSnapshot(snapshot), path };
}

async function readEntries(
  core: Core,
  disk: DiskRow,
  snapshot: SnapshotRow,
  path: string,
  page: { after?: string; limit: number },
): Promise<Found[] | "absent"> {
  try {
    return await bounded("contents", diskEngine(core, disk.host).contents(snapshot.id, path, page));
  } catch (cause) {
    const words = driverWords(cause);
    if (words === undefined) throw cause;
    const detail = `the listing of snapshot ${snapshot.id} cannot be read now: ${words}`;
    throw new Problem("unavailable", detail, { retryAfter: 5, cause });
  }
}

const viewEntry = ({ name, kind, bytes, modified }: Found): DiskEntry => ({
  name,
  kind,
  bytes,
  modified_at: modified,
});

const noSnapshot = (disk: DiskRow): Problem =>
  new Problem("no_snapshot", `there is no snapshot of disk ${disk.name} yet, so that nothing can be listed`, {
    hint: `take one: gpu-dev disk snapshot ${disk.name}; or reserve with it: one is taken at the end`,
  });
