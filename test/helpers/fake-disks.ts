/** Disks in memory, with faults on demand and a record of what was asked for. */
import type { DiskEngine, DiskEntry, DiskUse, Progress } from "../../src/drivers/disks.ts";
import { DriverError } from "../../src/drivers/driver.ts";

type Verb = Exclude<keyof DiskEngine, "limits">;
/** Texts by path. */
type Files = Map<string, string>;

export interface FakeDisks extends DiskEngine {
  readonly disks: Map<string, Files>;
  readonly snapshots: Map<string, Files>;
  readonly sizes: Map<string, number>;
  halfMade: string[];
  readonly quarantined: Set<string>;
  /** Verbs in the order in which they came, "clone <source> <target>". */
  readonly calls: string[];
  /** Throws this instead of doing the verb, for as long as it is set. */
  readonly faults: Map<Verb, Error>;
  /** Bytes. */
  free: number;
  /** Of a disk that a pod has, so many files kept changing. */
  changing: number;
  /** Runs before the verb is done; a test can hold it there. */
  before: ((verb: Verb, progress?: Progress) => Promise<void>) | undefined;
}

export function createFakeDisks(): FakeDisks {
  const [disks, snapshots] = [new Map<string, Files>(), new Map<string, Files>()];
  const sizes = new Map<string, number>();
  const faults = new Map<Verb, Error>();
  const quarantined = new Set<string>();
  const calls: string[] = [];

  const enter = async (verb: Verb, ids: readonly string[] = [], progress?: Progress): Promise<void> => {
    calls.push([verb, ...ids].join(" "));
    await fake.before?.(verb, progress);
    progress?.signal?.throwIfAborted();
    await progress?.confirm?.();
    const fault = faults.get(verb);
    if (fault) throw fault;
  };
  const copy = (
    from: Map<string, Files>,
    source: string,
    to: Map<string, Files>,
    target: string,
  ): DiskUse => {
    const files = from.get(source);
    if (!files) throw new DriverError(`there is no ${source}`);
    // What is there already was made by another one under the same id.
    if (!to.has(target)) to.set(target, new Map(files));
    return useOf(to.get(target) ?? files);
  };

  const fake: FakeDisks = {
    limits: { enforced: true, how: "a map of that size" },
    disks,
    snapshots,
    sizes,
    halfMade: [],
    quarantined,
    calls,
    faults,
    changing: 0,
    free: 1e12,
    before: undefined,
    async create(disk, sizeBytes, progress) {
      await enter("create", [disk], progress);
      if (!disks.has(disk)) disks.set(disk, new Map());
      sizes.set(disk, sizeBytes);
    },
    async snapshot(disk, snapshot, progress, pod) {
      await enter("snapshot", [disk, snapshot], progress);
      const use = copy(disks, disk, snapshots, snapshot);
      progress(use.usedBytes, use.usedBytes);
      return pod === undefined ? use : { ...use, changing: fake.changing };
    },
    async restore(snapshot, target, sizeBytes, progress) {
      await enter("restore", [snapshot, target], progress);
      sizes.set(target, sizeBytes);
      return copy(snapshots, snapshot, disks, target);
    },
    async clone(source, target, sizeBytes, progress) {
      await enter("clone", [source, target], progress);
      sizes.set(target, sizeBytes);
      return copy(disks, source, disks, target);
    },
    async resize(disk, sizeBytes, progress) {
      await enter("resize", [disk], progress);
      sizes.set(disk, sizeBytes);
    },
    async measure(disk) {
      await enter("measure", [disk]);
      const files = disks.get(disk);
      return files ? useOf(files) : "absent";
    },
    async contents(snapshot, path, { after = "", limit }) {
      await enter("contents", [snapshot, path]);
      const entries = entriesOf(snapshots.get(snapshot) ?? new Map(), path);
      if (!snapshots.has(snapshot) || (entries.length === 0 && path !== "")) return "absent";
      return entries.filter(({ name }) => name > after).slice(0, limit);
    },
    async remove(volume) {
      const [kind, from, id] =
        "disk" in volume ? ["disk", disks, volume.disk] : ["snapshot", snapshots, volume.snapshot];
      await enter("remove", [kind, id] as string[]);
      (from as Map<string, Files>).delete(id as string);
    },
    async list() {
      await enter("list");
      const put = [...quarantined].map((name) => ({ name, since: "2026-01-05T08:00:00.000Z" }));
      const { halfMade } = fake;
      return { disks: [...disks.keys()], snapshots: [...snapshots.keys()], halfMade, quarantined: put };
    },
    async quarantine(id) {
      await enter("quarantine", [id]);
      if (disks.delete(id) || snapshots.delete(id)) quarantined.add(id);
    },
    async expireQuarantine() {
      await enter("expireQuarantine");
      return [];
    },
    async discardHalfMade(name) {
      await enter("discardHalfMade", [name]);
      fake.halfMade = fake.halfMade.filter((one) => one !== name);
    },
    async room() {
      await enter("room", []);
      return fake.free;
    },
  };
  return fake;
}

const useOf = (files: Files): DiskUse => ({
  usedBytes: [...files.values()].reduce((sum, text) => sum + text.length, 0),
  files: files.size,
});

/** The directory's files and directories, each once. */
function entriesOf(files: Files, path: string): DiskEntry[] {
  const prefix = path === "" ? "" : `${path}/`;
  const names = [...files.keys()].filter((file) => file.startsWith(prefix));
  const found = new Map<string, DiskEntry>();
  for (const file of names) {
    const [name = "", ...rest] = file.slice(prefix.length).split("/");
    const isFile = rest.length === 0;
    found.set(name, {
      name,
      kind: isFile ? "file" : "directory",
      bytes: isFile ? (files.get(file)?.length ?? 0) : 0,
      modified: "2026-01-05T08:00:00.000Z",
    });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
