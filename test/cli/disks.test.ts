import { describe, expect, test } from "vitest";
import type { Disk, DiskOperation, Snapshot } from "../../src/api/disks.ts";
import { Problem } from "../../src/api/errors.ts";
import { Declined } from "../../src/cli/errors.ts";
import { roundSize } from "../../src/cli/output/size.ts";
import { disk, gpuType, type Handlers, page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const HOME = disk();

const operation = (given: Partial<DiskOperation> = {}): DiskOperation => ({
  id: "operbcdefghijklmnopq",
  kind: "snapshot",
  state: "running",
  disk_id: HOME.id,
  new_disk_id: null,
  snapshot_id: null,
  kept_snapshot_id: null,
  done_bytes: 0,
  total_bytes: null,
  error: null,
  created_at: "2026-01-01T11:59:00.000Z",
  started_at: "2026-01-01T11:59:58.000Z",
  finished_at: null,
  ...given,
});
const done = operation({ state: "done", finished_at: "2026-01-01T12:00:10.000Z" });

const snapshot = (given: Partial<Snapshot> = {}): Snapshot => ({
  id: "snapbcdefghijklmnopq",
  disk_id: HOME.id,
  state: "ready",
  note: null,
  reservation_id: null,
  used_bytes: 1000,
  files: 3,
  created_at: "2026-01-01T09:59:00.000Z",
  taken_at: "2026-01-01T10:00:00.000Z",
  in_use: false,
  files_changing: null,
  ...given,
});

/** A server with these disks and snapshots, where an operation goes through these states. */
function having(disks: Disk[], snapshots: Snapshot[] = [], ...states: DiskOperation[]): Handlers {
  const rest = [...states];
  const next = (): DiskOperation => (rest.length > 1 ? rest.shift() : rest[0]) ?? done;
  return {
    listDisks: ({ query: { name, id_prefix, state } }) =>
      page(
        ...disks
          .filter((one) => state === "all" || (one.deleted_at !== null) === (state === "deleted"))
          .filter((one) => name === undefined || one.name === name)
          .filter((one) => id_prefix === undefined || one.id.startsWith(id_prefix)),
      ),
    getDisk: ({ params }) =>
      disks.find(({ id }) => id === params.id) ?? new Problem("not_found", "there is no disk of yours"),
    listSnapshots: () => page(...snapshots),
    createSnapshot: next,
    restoreDisk: next,
    getDiskOperation: next,
  };
}

const world = (handlers: Handlers, options: WorldOptions = {}): World =>
  createWorld({ handlers, ...options });
const bodyOf = ({ server }: World, route: string): unknown =>
  server.requests.find((r) => r.route === route)?.body;

describe("what goes on with a disk is waited for", () => {
  test("D-08 with a bar, a rate, and the trouble of the last try", async () => {
    const half = operation({ done_bytes: 2e9, total_bytes: 4e9, error: "the disk is busy" });
    const one = world(having([HOME], [], operation({ state: "queued" }), half, done));
    const { code, stderr } = await one.gpuDev("disk snapshot home");
    expect(code).toBe(0);
    expect(stderr).toMatch(/home \[#{10}\.{10}\] 2G of 4G, \S+\/s; last try: the disk is busy/);
  });

  test("D-08 one that failed says why, and exits 1", async () => {
    const failed = operation({ state: "failed", error: "the medium cannot be read" });
    const one = await world(having([HOME], [], operation(), failed)).gpuDev("disk snapshot home --json");
    expect(one.code).toBe(1);
    expect(JSON.parse(one.stdout)).toMatchObject({
      code: "operation_failed",
      detail: "Taking a snapshot of home failed: the medium cannot be read",
      operation: { id: failed.id },
    });
  });

  test("C-16 one that takes longer than the bound is still pending, exit 8", async () => {
    const one = await world(having([HOME], [], operation())).gpuDev("disk snapshot home --timeout 10s");
    expect(one.code).toBe(8);
    expect(one.stderr).toContain("still goes on after 10s");
    expect(one.stderr).toContain("gpu-dev disk wait home");
  });

  test("C-17 Ctrl-C leaves it running and says how to follow it, exit 130", async () => {
    const one = world(having([HOME], [], operation()));
    one.onSleep = () => one.interrupt.abort();
    const { code, stderr } = await one.gpuDev("disk snapshot home");
    expect(code).toBe(130);
    expect(stderr).toContain("The snapshot goes on. Follow it with `gpu-dev disk wait home`.");
  });

  test("disk wait waits for what goes on, and not for a disk that rests", async () => {
    const busy = disk({ state: "busy", operation_id: "operbcdefghijklmnopq" });
    const one = world(having([busy], [], operation(), done));
    expect((await one.gpuDev("disk wait home")).code).toBe(0);
    expect(one.server.requests.filter((r) => r.route === "getDiskOperation").length).toBeGreaterThan(1);
    const idle = world(having([HOME]));
    expect((await idle.gpuDev("disk wait home")).code).toBe(0);
  });
});

describe("C-12 which disk is meant", () => {
  const gone = (id: string): Disk => disk({ id, state: "deleted", deleted_at: "2026-01-01T10:00:00.000Z" });

  test("the live one of that name comes before deleted ones, but not for undelete", async () => {
    const old = gone("goneefghijklmnopqrst");
    const handlers: Handlers = {
      ...having([HOME, old]),
      listDiskOperations: () => page(),
      undeleteDisk: () => HOME,
    };
    const one = world(handlers);
    expect(JSON.parse((await one.gpuDev("disk show home --json")).stdout).id).toBe(HOME.id);
    await one.gpuDev("disk undelete home --name old-home");
    expect(one.server.requests.find((r) => r.route === "undeleteDisk")).toMatchObject({
      params: { id: old.id },
      body: { name: "old-home" },
    });
  });

  test("several deleted ones of that name are told apart by their ids", async () => {
    const two = [gone("goneefghijklmnopqrst"), gone("gonffghijklmnopqrstu")];
    const one = await world(having(two)).gpuDev("disk undelete home --json");
    expect(one.code).toBe(2);
    expect(JSON.parse(one.stdout)).toMatchObject({
      code: "ambiguous",
      candidates: ["goneefghijklmnopqrst", "gonffghijklmnopqrstu"],
    });
  });

  test("an unknown one is exit 5, with the name that may have been meant", async () => {
    const one = await world(having([HOME])).gpuDev("disk show hoem");
    expect([one.code, one.stderr]).toEqual([5, expect.stringContaining("Did you mean home?")]);
  });
});

describe("D-06 restore", () => {
  test("asks before it replaces what is on a disk, and does nothing after a no", async () => {
    const refused = world(having([HOME], [snapshot()]), { terminal: true, answers: [false] });
    expect((await refused.gpuDev("disk restore home --from latest")).code).toBe(3);
    expect(refused.asked[0]).toContain("replaces all that is on home");
    expect(bodyOf(refused, "restoreDisk")).toBeUndefined();
    const script = await world(having([HOME], [snapshot()])).gpuDev("disk restore home --from latest");
    expect([script.code, script.stderr]).toEqual([2, expect.stringContaining("--yes is missing")]);
  });

  test("takes the newest that is ready, or the one whose id begins so", async () => {
    const taking = snapshot({ id: "newscdefghijklmnopqr", state: "taking", taken_at: null });
    const old = snapshot({ id: "olddcdefghijklmnopqr" });
    const handlers = having([HOME], [taking, snapshot(), old]);
    const latest = world(handlers);
    await latest.gpuDev("disk restore home --from latest --yes");
    expect(bodyOf(latest, "restoreDisk")).toEqual({ snapshot: "snapbcdefghijklmnopq" });
    const named = world(handlers);
    await named.gpuDev("disk restore home --from oldd --as home-then");
    expect(bodyOf(named, "restoreDisk")).toEqual({ snapshot: old.id, as: "home-then" });
    const none = await world(handlers).gpuDev("disk restore home --from xyzw --yes");
    expect([none.code, none.stderr]).toEqual([5, expect.stringContaining("has no snapshot")]);
  });
});

describe("D-07 contents", () => {
  test("a disk without a snapshot is told apart from a listing that failed", async () => {
    const none = await world(having([HOME])).gpuDev("disk contents home --json");
    expect([none.code, JSON.parse(none.stdout).code]).toEqual([9, "no_snapshot"]);
    const broken = {
      ...having([HOME], [snapshot()]),
      listContents: () => new Problem("internal", "it failed"),
    };
    const failed = await world(broken).gpuDev("disk contents home --json");
    expect(JSON.parse(failed.stdout).code).toBe("internal");
  });

  test("A-06 pages are put together up to the limit, and more is said", async () => {
    const asked: unknown[] = [];
    const handlers: Handlers = {
      ...having([HOME], [snapshot()]),
      listContents: ({ query }) => {
        asked.push([query.path, query.limit, query.cursor]);
        const from = Number(query.cursor ?? 0);
        const items = Array.from({ length: Number(query.limit) }, (_, i) => ({
          name: `f${from + i}`,
          kind: "file" as const,
          bytes: 1,
          modified_at: "2026-01-01T10:00:00.000Z",
        }));
        return { items, next_cursor: String(from + items.length), snapshot: snapshot(), path: "src" };
      },
    };
    const { stdout, stderr } = await world(handlers).gpuDev("disk contents home ./src/ --limit 700");
    expect(asked).toEqual([
      ["src", "500", undefined],
      ["src", "200", "500"],
    ]);
    expect(stdout.trim().split("\n")).toHaveLength(700);
    expect(stderr).toContain("There are more than these 700");
  });
});

describe("C-07 which disk a reservation has", () => {
  const handlers = (disks: Disk[]): Handlers => ({
    ...having(disks),
    createReservation: () => reservation(),
    listReservations: () => page(),
    listGpuTypes: () => page(gpuType()),
  });
  const reserving = async (flags: string, options: WorldOptions = {}, disks: Disk[] = [HOME]) => {
    const one = world(handlers(disks), options);
    const { code, stderr } = await one.gpuDev(`reserve --gpu-type h100 --time 1h --no-wait ${flags}`);
    return { code, stderr, body: bodyOf(one, "createReservation"), asked: one.asked };
  };

  test("this one, none, and not said are three requests", async () => {
    expect((await reserving("--disk home")).body).toMatchObject({ disk: "home" });
    expect((await reserving("--disk none")).body).toMatchObject({ disk: null });
    const unsaid = await reserving("");
    expect(unsaid.body).not.toHaveProperty("disk");
    expect(unsaid.stderr).toContain("No --disk given: files are temporary");
  });

  test("a person who has disks is asked, with those that are free; Ctrl-C changes nothing", async () => {
    const used = disk({ id: "usedefghijklmnopqrst", name: "used", state: "in_use" });
    const terminal = true;
    const chosen = await reserving("", { terminal, answers: ["home"] }, [HOME, used]);
    expect(chosen.body).toMatchObject({ disk: "home" });
    expect(chosen.asked).toEqual(["Which disk?"]);
    expect((await reserving("", { terminal, answers: [""] })).body).toMatchObject({ disk: null });
    const left = await reserving("", { terminal, answers: [new Declined()] });
    expect([left.code, left.body]).toEqual([3, undefined]);
    expect((await reserving("", { terminal }, [])).asked).toEqual([]);
  });
});

test.each([
  [0, "0B"],
  [999, "999B"],
  [1000, "1K"],
  [1001, "1.1K"],
  [9_950_000, "10M"],
  [12_300_000, "13M"],
  [999_500_000, "1G"],
  [3_200_000_000, "3.2G"],
])("C-26 %d bytes are %s for people", (bytes, words) => {
  expect(roundSize(bytes)).toBe(words);
});
