/**
 * Where named disks live. Words: a *disk* is a user's files with a size; a *snapshot* is what was on a disk at one time, and never
 * changes; both are named by ids of their own (src/api/names.ts). Every verb is idempotent by these ids, and what is half made is
 * never seen as done. DriverError: it could not be done now. DiskRefused: trying again would not help.
 */
import { DriverError } from "./driver.ts";

export interface DiskUse {
  /** On the medium, so that holes of sparse files do not count. */
  readonly usedBytes: number;
  /** Files, directories, links; a file with several names counts once. */
  readonly files: number;
}

export interface SnapshotUse extends DiskUse {
  /** Of a disk that a pod had: files that kept changing while they were copied, and are as they were at one of the tries. */
  readonly changing?: number;
}

export interface DiskEntry {
  /** As it is; where it is not valid UTF-8 or has control characters or backslashes, those bytes are `\xNN` and `\\`. */
  readonly name: string;
  readonly kind: "file" | "directory" | "link" | "other";
  readonly bytes: number;
  /** ISO 8601, UTC. */
  readonly modified: string;
}

/** Told now and then, at the end at the latest; the work is broken off, with nothing left behind, when the signal says so. */
export interface Progress {
  (doneBytes: number, totalBytes: number | undefined): void;
  readonly signal?: AbortSignal;
  /** Asked once all is made and before it counts; the work is broken off when it rejects, since somebody else does it by now. */
  readonly confirm?: () => Promise<void>;
}

export interface DiskEngine {
  /** Whether the size of a new disk is enforced, and how, in words for users. */
  readonly limits: { readonly enforced: boolean; readonly how: string };
  create(disk: string, sizeBytes: number, progress?: Progress): Promise<void>;
  /**
   * What is on the disk now; compared with its source, to the byte, before it counts. Only `pod` may have the disk: then it is of one
   * instant where the medium can do that, else each file is as of a moment of its own.
   */
  snapshot(disk: string, snapshot: string, progress: Progress, pod?: string): Promise<SnapshotUse>;
  /** A new disk `target`; compared with the list that was written with the snapshot before it counts. */
  restore(snapshot: string, target: string, sizeBytes: number, progress: Progress): Promise<DiskUse>;
  /** A new disk `target` with what is on `source`, which no pod may have. */
  clone(source: string, target: string, sizeBytes: number, progress: Progress): Promise<DiskUse>;
  /** Refused below what is used. No pod may have the disk. Where sizes are enforced, everything is copied. */
  resize(disk: string, sizeBytes: number, progress?: Progress): Promise<void>;
  measure(disk: string): Promise<DiskUse | "absent">;
  /** One directory of a snapshot, sorted by the bytes of the names; `path` is relative, "" its root, written as names are. */
  contents(
    snapshot: string,
    path: string,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<DiskEntry[] | "absent">;
  /** Resolves when nothing is left; at once when there is none. */
  remove(volume: { readonly disk: string } | { readonly snapshot: string }): Promise<void>;
  /** Everything that is there; `halfMade` is what a crash left, and nothing that is being made now. */
  list(): Promise<DiskInventory>;
  /** Takes a disk or snapshot away from its place without deleting it. */
  quarantine(id: string): Promise<void>;
  /** Deletes what has been in quarantine for longer than that, and tells which. */
  expireQuarantine(olderThanS: number): Promise<string[]>;
  /** Deletes one of `list().halfMade`. */
  discardHalfMade(name: string): Promise<void>;
  /** Free where disks and snapshots are, in bytes. */
  room(): Promise<number>;
}

/** Where disks are: on several hosts, each disk on one of them with all its snapshots, or in one place for all nodes. */
export interface DiskHosts {
  readonly limits: DiskEngine["limits"];
  /** Names of the hosts; null is the one place for all nodes. */
  readonly names: readonly (string | null)[];
  /** Throws DriverError for a host that is not known, or not any more. */
  on(host: string | null): DiskEngine;
}

/** One engine for all nodes. */
export const forAllNodes = (engine: DiskEngine): DiskHosts => ({
  limits: engine.limits,
  names: [null],
  on(host) {
    if (host === null) return engine;
    throw new DriverError(`the disk is on ${host}, and this server keeps its disks elsewhere`);
  },
});

export interface DiskInventory {
  readonly disks: string[];
  readonly snapshots: string[];
  readonly halfMade: string[];
  readonly quarantined: { readonly name: string; readonly since: string }[];
}

/** It cannot be done, and trying again would not help; the message is for users. */
export class DiskRefused extends Error {
  override readonly name = "DiskRefused";
}
