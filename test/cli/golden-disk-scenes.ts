/** What the server answers to the commands of disks, for the golden files. */
import type { DiskOperation, Snapshot } from "../../src/api/disks.ts";
import { disk, type Handlers, page } from "./helpers/fake-server.ts";

const home = disk();
const data = disk({
  id: "datacdefghijklmnopqr",
  name: "data",
  state: "in_use",
  size_bytes: 2 ** 41,
  used_bytes: null,
  used_at: null,
  limits_enforced: false,
  limits: "not enforced: pods are plain processes here, which see the same mounts",
  snapshot_policy: "never",
  held_by: { id: "abcdefghijklmnopqrst", name: "train-llama-8b" },
  held_until: "2026-01-01T14:00:00.000Z",
  last_used_at: null,
  last_snapshot: {
    id: "snapzbcdefghijklmnop",
    taken_at: "2026-01-01T10:00:00.000Z",
    in_use: true,
    files_changing: 1,
  },
});
const lost = disk({
  id: "lostefghijklmnopqrst",
  name: "scratch",
  node: "gpu-host-3",
  state: "lost",
  lost_at: "2026-01-01T11:50:00.000Z",
});
const deleted = disk({
  id: "goneefghijklmnopqrst",
  name: "old-home",
  state: "deleted",
  deleted_at: "2025-12-30T12:00:00.000Z",
  purge_at: "2026-01-29T12:00:00.000Z",
});

const snapshot: Snapshot = {
  id: "snapbcdefghijklmnopq",
  disk_id: home.id,
  state: "ready",
  note: null,
  reservation_id: "abcdefghijklmnopqrst",
  used_bytes: 3_200_000_000,
  files: 51_234,
  created_at: "2026-01-01T09:59:00.000Z",
  taken_at: "2026-01-01T10:00:00.000Z",
  in_use: false,
  files_changing: null,
};

const operation = (given: Partial<DiskOperation>): DiskOperation => ({
  id: "operbcdefghijklmnopq",
  kind: "create",
  state: "queued",
  disk_id: home.id,
  new_disk_id: null,
  snapshot_id: null,
  kept_snapshot_id: null,
  done_bytes: 0,
  total_bytes: null,
  error: null,
  created_at: "2026-01-01T11:59:00.000Z",
  started_at: null,
  finished_at: null,
  ...given,
});

const done = { state: "done", finished_at: "2026-01-01T11:59:30.000Z" } as const;
const common: Handlers = {
  listDisks: ({ query: { name, id_prefix, state } }) =>
    page(
      ...[home, data, lost, deleted]
        .filter((one) => state === "all" || (one.deleted_at !== null) === (state === "deleted"))
        .filter((one) => name === undefined || one.name === name)
        .filter((one) => id_prefix === undefined || one.id.startsWith(id_prefix)),
    ),
  getDisk: ({ params }) => [home, data, lost, deleted].find(({ id }) => id === params.id) ?? home,
  listSnapshots: () =>
    page(snapshot, {
      ...snapshot,
      id: "olddcdefghijklmnopqr",
      note: "before the upgrade",
      reservation_id: null,
      in_use: true,
      files_changing: 2,
    }),
};

const scene = (lines: readonly string[], handlers: Handlers = {}) => ({
  lines: lines.map((line) => `disk ${line}`),
  handlers: { ...common, ...handlers },
});

export const diskScenes = {
  "disk create": scene(["create home", "create home --size 80Gi --node box2 --no-wait"], {
    createDisk: ({ body }) => operation((body as { size_bytes?: number }).size_bytes ? {} : done),
  }),
  "disk list": scene(["list", "list --deleted"]),
  "disk show": scene(["show home", "show data", "show scratch", "show gone"], {
    listDiskOperations: () =>
      page(
        operation({
          kind: "resize",
          state: "failed",
          error: "3.2G are in use",
          finished_at: snapshot.taken_at,
        }),
        operation(done),
      ),
  }),
  "disk contents": scene(["contents home src --snapshot snap"], {
    listContents: () => ({
      ...page(
        { name: "lib", kind: "directory" as const, bytes: 4096, modified_at: "2026-01-01T08:00:00.000Z" },
        { name: "train.py", kind: "file" as const, bytes: 1234, modified_at: "2025-12-31T12:00:00.000Z" },
      ),
      snapshot,
      path: "src",
    }),
  }),
  "disk snapshot": scene(["snapshot home --note then"], {
    createSnapshot: () => operation({ kind: "snapshot", snapshot_id: snapshot.id, ...done }),
  }),
  "disk snapshots": scene(["snapshots home"]),
  "disk restore": scene(["restore home --from latest --as home-then", "restore home --from latest --yes"], {
    restoreDisk: ({ body }) =>
      (body as { as?: string }).as
        ? operation({ kind: "restore", new_disk_id: data.id, ...done })
        : operation({ kind: "restore", kept_snapshot_id: snapshot.id, ...done }),
  }),
  "disk clone": scene(["clone home home-2 --no-wait"], {
    cloneDisk: () => operation({ kind: "clone", new_disk_id: data.id }),
  }),
  "disk wait": scene(["wait home"]),
  "disk rename": scene(["rename home home-2"], { patchDisk: () => ({ ...home, name: "home-2" }) }),
  "disk resize": scene(["resize home 200G"], {
    resizeDisk: () => operation({ kind: "resize", ...done }),
  }),
  "disk edit": scene(["edit home --snapshots never", "edit home --snapshots every=6h"], {
    patchDisk: ({ body }) => ({ ...home, ...(body as object) }),
  }),
  "disk delete": scene(["delete home"], { deleteDisk: () => ({ ...deleted, name: "home" }) }),
  "disk undelete": scene(["undelete old-home"], { undeleteDisk: () => ({ ...home, name: "old-home" }) }),
  "disk unlock": scene([`unlock ${data.id}`], {
    unlockDisk: () => ({ ...data, state: "ready", held_by: null }),
  }),
};
