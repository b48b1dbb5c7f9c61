/** How disks and snapshots are worded, everywhere the same. */
import type { Disk, DiskOperation, Snapshot } from "../../api/disks.ts";
import { exactDuration } from "../../api/duration.ts";
import { id8 } from "../../api/names.ts";
import { exactSize } from "../../api/size.ts";
import { toned } from "./cell.ts";
import type { Cell, Output } from "./output.ts";
import { sizeCell } from "./size.ts";
import { ago, timeLeft } from "./time.ts";

const TONES = {
  creating: "warn",
  ready: "good",
  in_use: "warn",
  busy: "warn",
  lost: "bad",
  deleted: "dim",
} as const;

const stateCell = ({ state }: Disk): Cell => toned(state, TONES[state]);

const size = (bytes: number): Cell => ({ text: exactSize(bytes), value: String(bytes) });

const holder = ({ held_by }: Disk): string => held_by?.name ?? held_by?.id ?? "";

/** A disk without a snapshot says so: it is another thing than one that nobody could look up (D-07). */
const lastSnapshot = ({ last_snapshot }: Disk, now: Date): Cell =>
  last_snapshot === null ? "none yet" : ago(last_snapshot.taken_at, now);

/** When snapshots are taken by themselves. */
function scheduleWords({ snapshot_policy, snapshot_every_s }: Disk): string {
  if (snapshot_policy === "never") return "only when asked for";
  const often = snapshot_every_s === null ? "" : `, and every ${exactDuration(snapshot_every_s)} during one`;
  return `after each reservation${often}`;
}

/** How a snapshot of a disk in use was taken; empty for one that nobody had. */
function inUseWords(one: Pick<Snapshot, "in_use" | "files_changing">): string {
  if (one.in_use !== true) return "";
  const { files_changing: changing } = one;
  if (changing === null || changing === 0) return "while in use";
  return `while in use (${changing} ${changing === 1 ? "file" : "files"} kept changing)`;
}

/** A list of disks. */
export const diskTable = (items: readonly Disk[], now: Date): Pick<Output, "header" | "spare" | "rows"> => ({
  header: ["NAME", "ID", "STATE", "SIZE", "USED", "HOLDER", "LAST USED", "LAST SNAPSHOT", "DELETED"],
  spare: ["ID", "LAST USED"],
  rows: items.map((disk) => [
    disk.name,
    disk.id,
    stateCell(disk),
    size(disk.size_bytes),
    sizeCell(disk.used_bytes),
    holder(disk),
    ago(disk.last_used_at, now),
    lastSnapshot(disk, now),
    ago(disk.deleted_at, now),
  ]),
});

/** Labels and values of a disk, and what was done with it lately. */
export function describeDisk(disk: Disk, now: Date, operations: readonly DiskOperation[] = []): Cell[][] {
  const rows: Cell[][] = [
    ["id", disk.id],
    ["name", disk.name],
    ["state", stateCell(disk)],
    ["node", disk.node ?? ""],
    ["lost", lostWords(disk, now)],
    ["holder", holder(disk)],
    ["held for", timeLeft(disk.held_until, now)],
    ["size", size(disk.size_bytes)],
    ["limit", disk.limits],
    ["used", usedWords(disk, now)],
    ["snapshots", scheduleWords(disk)],
    ["last snapshot", lastSnapshotWords(disk, now)],
    ["last used", ago(disk.last_used_at, now)],
    ["created", ago(disk.created_at, now)],
    ["deleted", ago(disk.deleted_at, now)],
    ["undelete within", timeLeft(disk.purge_at, now)],
    ...operations.map((operation) => operationRow(operation, now)),
  ];
  return rows.filter(([, value]) => value !== "");
}

/** A server of before has no such field. */
function lostWords({ node, lost_at }: Disk, now: Date): Cell {
  const at = ago(lost_at ?? null, now);
  const why = `node ${node} is gone for good, and nobody can have what was on it`;
  return typeof at === "string" ? at : { text: `${at.text}: ${why}`, value: `${at.value}: ${why}` };
}

function lastSnapshotWords(disk: Disk, now: Date): Cell {
  const at = lastSnapshot(disk, now);
  const how = disk.last_snapshot === null ? "" : inUseWords(disk.last_snapshot);
  if (how === "" || typeof at === "string") return at;
  return { text: `${at.text}, ${how}`, value: `${at.value}, ${how}` };
}

function usedWords(disk: Disk, now: Date): Cell {
  const used = sizeCell(disk.used_bytes);
  const at = ago(disk.used_at, now);
  if (typeof used === "string" || typeof at === "string") return used;
  return { text: `${used.text}, as of ${at.text}`, value: used.value };
}

function operationRow(operation: DiskOperation, now: Date): Cell[] {
  const at = ago(operation.finished_at ?? operation.created_at, now);
  const error = operation.error === null ? "" : `: ${operation.error}`;
  const words = `${operation.kind} ${operation.state}${error}`;
  if (typeof at === "string") return ["operation", words];
  return ["operation", { text: `${words}, ${at.text}`, value: `${words} ${at.value}` }];
}

/** Enough of an id to type; a pipe gets the whole. */
const short = (id: string): Cell => ({ text: id8(id), value: id });

/** A list of snapshots. */
export const snapshotTable = (items: readonly Snapshot[], now: Date): Pick<Output, "header" | "rows"> => ({
  header: ["ID", "TAKEN", "STATE", "USED", "FILES", "AFTER", "HOW", "NOTE"],
  rows: items.map((snapshot) => [
    short(snapshot.id),
    ago(snapshot.taken_at, now),
    snapshot.state,
    sizeCell(snapshot.used_bytes),
    snapshot.files === null ? "unknown" : String(snapshot.files),
    short(snapshot.reservation_id ?? ""),
    inUseWords(snapshot),
    snapshot.note ?? "",
  ]),
});
