/** The tables of disks and what each column may hold; see tables.ts. */
import { OPERATION_KINDS, SNAPSHOT_POLICIES } from "../api/disks.ts";
import { instant, int, nullable, oneOf, type Row, text } from "./columns.ts";

export const diskShape = {
  id: text,
  owner_id: text,
  name: text,
  /** What the engine calls it; another one after what is on it was replaced. */
  volume: text,
  /** The machine that it is on, as nodes name theirs; null where all nodes have the same disks. */
  host: nullable(text),
  /** gone: there is nothing of it any more. */
  state: oneOf(["creating", "ready", "gone"]),
  /** Since when its host counts as gone for good; null while it does not, and when the disk was found there again. */
  lost_at: nullable(instant),
  size_bytes: int,
  used_bytes: nullable(int),
  used_at: nullable(instant),
  snapshot_policy: oneOf(SNAPSHOT_POLICIES),
  /** Also while a reservation runs with it, so often. */
  snapshot_every_s: nullable(int),
  last_used_at: nullable(instant),
  last_snapshot_id: nullable(text),
  last_snapshot_at: nullable(instant),
  created_at: instant,
  deleted_at: nullable(instant),
  /** Until then it can be undeleted. */
  purge_at: nullable(instant),
  /** Grows with each change; growing it is what locks the row. */
  version: int,
};

export const snapshotShape = {
  id: text,
  disk_id: text,
  /** leaving: nobody sees it any more, and it is being taken away. */
  state: oneOf(["taking", "ready", "leaving"]),
  note: nullable(text),
  reservation_id: nullable(text),
  used_bytes: nullable(int),
  files: nullable(int),
  /** Files that kept changing while they were copied; null when no pod had the disk. */
  changing: nullable(int),
  created_at: instant,
  taken_at: nullable(instant),
};

export const operationShape = {
  id: text,
  kind: oneOf(OPERATION_KINDS),
  disk_id: text,
  /** The disk that it makes. */
  new_disk_id: nullable(text),
  /** The disk that nothing else may be done with meanwhile. */
  locked_id: text,
  snapshot_id: nullable(text),
  /** The snapshot that it takes first, of what it replaces. */
  kept_id: nullable(text),
  /** The volume that it makes; when it has replaced what was on a disk, the one that was there before. */
  volume: nullable(text),
  size_bytes: nullable(int),
  done_bytes: int,
  total_bytes: nullable(int),
  /** Set before what it leaves is cleared away. */
  outcome: nullable(oneOf(["done", "failed"])),
  error: nullable(text),
  /** How often it went wrong in a row. */
  attempts: int,
  created_at: instant,
  started_at: nullable(instant),
  finished_at: nullable(instant),
  next_step_at: nullable(instant),
  leased_by: nullable(text),
  leased_until: nullable(instant),
};

export type DiskRow = Row<typeof diskShape>;
export type SnapshotRow = Row<typeof snapshotShape>;
export type OperationRow = Row<typeof operationShape>;
