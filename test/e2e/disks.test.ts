/** Work that is kept: a real server, real file systems, OpenSSH on both ends, on both database engines. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { Client } from "../../src/api/client.ts";
import type { DiskOperation } from "../../src/api/disks.ts";
import type { Reservation } from "../../src/api/schemas.ts";
import { openStore } from "../../src/store/db.ts";
import { engines } from "../helpers/engines.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { mountsBelow } from "../helpers/processes.ts";
import { startServerProcess } from "../helpers/server-process.ts";

/** Against hanging; a real outside is polled until then. */
const GUARD = { timeout: 60_000, interval: 50 };

const done = async (api: Client, { id }: DiskOperation): Promise<DiskOperation> => {
  await vi.waitFor(
    async () => expect(await api.getDiskOperation({ params: { id } })).toMatchObject({ state: "done" }),
    GUARD,
  );
  return api.getDiskOperation({ params: { id } });
};

describe.each(engines)("disks of a real server on $engine", ({ engine, create }) => {
  test("D-01 D-02 D-03 D-07 what is written at home is there the next time, in the snapshot, and in what is made of it", {
    timeout: 300_000,
  }, async () => {
    const { home, remove } = temporaryHome();
    const database = await create();
    const env = engine === "postgres" ? { GPU_DEV_DATABASE: database.url } : {};
    const server = await startServerProcess({ home, env });
    const { api } = server;
    const reserve = (disk: string, name: string): Promise<Reservation> =>
      api.createReservation({ body: { gpu_type: "cpu", duration_s: 3600, disk, name } });
    const until = (id: string, state: string) =>
      vi.waitFor(
        async () => expect(await api.getReservation({ params: { id } })).toMatchObject({ state }),
        GUARD,
      );
    const inside = async (name: string, command: string): Promise<string> => {
      const { code, stdout, stderr } = await gpuDev(home, ["connect", name, "--", command]);
      expect([code, stderr]).toEqual([0, ""]);
      return stdout;
    };
    const over = async (id: string, disk: string) => {
      await api.cancelReservation({ params: { id } });
      await until(id, "cancelled");
      await vi.waitFor(
        async () => expect(await api.getDisk({ params: { id: disk } })).toMatchObject({ state: "ready" }),
        GUARD,
      );
    };
    // Registers the user's key.
    await gpuDev(home, [
      "reserve",
      "--gpu-type",
      "cpu",
      "--time",
      "1h",
      "--name",
      "plain",
      "--disk",
      "none",
      "--json",
    ]);

    const { disk_id: id } = await done(
      api,
      await api.createDisk({ body: { name: "work", size_bytes: 64e6 } }),
    );
    const first = await reserve("work", "first");
    await until(first.id, "active");
    await inside(
      "first",
      "mkdir -p src && echo kept > src/a.txt && chmod 600 src/a.txt && ln -s src/a.txt link",
    );
    const busy = await reserve(id, "second").catch((error) => error.problem);
    expect(busy).toMatchObject({ status: 409, code: "disk_in_use" });
    await over(first.id, id);

    const { last_snapshot, used_bytes } = await api.getDisk({ params: { id } });
    expect(used_bytes).toBeGreaterThan(0);
    const contents = await api.listContents({ params: { id }, query: { path: "src" } });
    expect(contents.items).toMatchObject([{ name: "a.txt", kind: "file", bytes: 5 }]);
    const next = await reserve("work", "next");
    await until(next.id, "active");
    expect(await inside("next", "cat link && stat -c %a src/a.txt && rm src/a.txt && ls -A src")).toBe(
      "kept\n600\n",
    );
    await over(next.id, id);

    const restore = { snapshot: last_snapshot?.id ?? "", as: "found-again" };
    const made = await done(api, await api.restoreDisk({ params: { id }, body: restore }));
    const third = await reserve("found-again", "third");
    await until(third.id, "active");
    expect(await inside("third", "cat src/a.txt")).toBe("kept\n");
    await over(third.id, made.new_disk_id ?? "");

    const store = await openStore({
      url: engine === "postgres" ? database.url : `sqlite:${join(home, "data", "gpu-dev.db")}`,
    });
    const row = await store.read((db) =>
      db.selectFrom("disks").select("volume").where("id", "=", id).executeTakeFirstOrThrow(),
    );
    await store.close();
    rmSync(join(home, "data", "disks", row.volume), { recursive: true });
    const lost = await reserve("work", "lost");
    await until(lost.id, "failed");
    expect((await api.getReservation({ params: { id: lost.id } })).reason).toBe(
      "the pod cannot be launched: the data of the disk are not there",
    );

    await gpuDev(home, ["cancel", "plain"]);
    expect(await server.stop()).toBe(0);
    expect(mountsBelow(home)).toEqual([]);
    await database.drop();
    remove();
  });
});
