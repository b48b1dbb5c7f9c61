/** What has to be on the disks of a soak's users, and in their snapshots: lines in a file, by what was answered to whom wrote them. */
import type { Client } from "../../src/api/client.ts";
import type { Disk, DiskOperation } from "../../src/api/disks.ts";

/** A broken promise, which no kill excuses. */
export class Finding extends Error {
  override readonly name = "Finding";
}

/** All that was synced is there, and beside it only what was tried. */
interface Lines {
  readonly synced: ReadonlySet<string>;
  readonly tried: ReadonlySet<string>;
}

const NONE: Lines = { synced: new Set(), tried: new Set() };

/** Of one user, who does one thing after the other. */
export class DiskBook {
  readonly #disks = new Map<string, Lines>();
  readonly #snapshots = new Map<string, Lines>();
  /** Of disks that were asked for, until their ids are known. */
  readonly #begun = new Map<string, Lines>();
  readonly #over = new Set<string>();

  /** A disk of that name is about to be asked for, empty or with what is in a snapshot. */
  begin(name: string, snapshot?: string): void {
    this.#begun.set(name, snapshot === undefined ? NONE : this.#inSnapshot(snapshot));
  }

  /** What has to be in it. */
  knows(snapshot: string): boolean {
    return this.#snapshots.has(snapshot);
  }

  #inSnapshot(id: string): Lines {
    const lines = this.#snapshots.get(id);
    if (!lines) throw new Finding(`nothing is known of the snapshot ${id}`);
    return lines;
  }

  /**
   * Takes in what was done with a disk since. As nothing is written while something goes on with a disk, what is in a snapshot is what
   * was on it when that is first seen to be over.
   */
  async learn(api: Client, { id }: Disk): Promise<void> {
    const { items } = await api.listDiskOperations({ params: { id }, query: { limit: "200" } });
    for (const operation of items.toReversed()) {
      if (operation.finished_at === null || this.#over.has(operation.id)) continue;
      this.#over.add(operation.id);
      this.#take(id, operation);
    }
  }

  #take(id: string, operation: DiskOperation): void {
    const { kind, state, error, new_disk_id, snapshot_id, kept_snapshot_id } = operation;
    if (state === "failed") throw new Finding(`${kind} of disk ${id} failed: ${error}`);
    const before = this.#disks.get(id) ?? NONE;
    if (kind === "snapshot" && snapshot_id !== null) this.#snapshots.set(snapshot_id, before);
    if (kept_snapshot_id !== null) this.#snapshots.set(kept_snapshot_id, before);
    if (kind === "restore" && new_disk_id === null && snapshot_id !== null)
      this.#disks.set(id, this.#inSnapshot(snapshot_id));
  }

  /** The disk is there, whoever told so. */
  meet({ id, name }: Disk): void {
    const begun = this.#begun.get(name);
    if (this.#disks.has(id)) return;
    if (!begun) throw new Finding(`nobody asked for the disk ${name}`);
    this.#disks.set(id, begun);
  }

  tried(id: string, line: string): void {
    const { synced, tried } = this.#of(id);
    this.#disks.set(id, { synced, tried: new Set([...tried, line]) });
  }

  synced(id: string, line: string): void {
    const { synced, tried } = this.#of(id);
    this.#disks.set(id, { synced: new Set([...synced, line]), tried });
  }

  /** Throws Finding when these cannot be the lines on the disk. */
  check(id: string, found: readonly string[]): void {
    const { synced, tried } = this.#of(id);
    const there = new Set(found);
    const lost = [...synced].filter((line) => !there.has(line));
    if (lost.length > 0)
      throw new Finding(`disk ${id} has lost ${lost.join(", ")}; it has ${found.join(", ")}`);
    const strange = found.filter((line) => !tried.has(line));
    if (strange.length > 0)
      throw new Finding(`on disk ${id} is ${strange.join(", ")}, which nobody wrote there`);
    this.#disks.set(id, { synced: there, tried });
  }

  #of(id: string): Lines {
    const lines = this.#disks.get(id);
    if (!lines) throw new Finding(`nothing is known of the disk ${id}`);
    return lines;
  }
}
