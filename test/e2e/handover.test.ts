/** A server gives way to its successor on the same port and data, and no session notices. */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Reservation } from "../../src/api/reservations.ts";
import { openStore } from "../../src/store/db.ts";
import { freePort } from "../helpers/free-port.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { createDatabase } from "../helpers/postgres.ts";
import { processesNaming } from "../helpers/processes.ts";
import { type ServerProcess, startServerProcess } from "../helpers/server-process.ts";
import { SshSession } from "../helpers/ssh-session.ts";
import { Cutter, cutAt } from "../tunnel/cutter.ts";

const MIB = 1024 * 1024;
const GUARD = { timeout: 60_000, interval: 50 };
/** Three servers start one after the other, with commands and ssh clients between: this is against hanging only. */
const PATIENCE = { timeout: 900_000 };

/** What the database at `url` knows of tunnels: how many are open, and how the others ended. */
async function tunnels(url: string): Promise<{ open: number; lost: number; ended: number }> {
  const store = await openStore({ url });
  const found = await store.read(async (db) => ({
    open: await db.selectFrom("open_tunnels").select("session").execute(),
    closed: await db.selectFrom("audit").select("detail").where("action", "=", "tunnel.close").execute(),
  }));
  await store.close();
  const ends = found.closed.map(({ detail }) => JSON.parse(detail ?? "").end as string);
  const lost = ends.filter((end) => end === "gateway_lost").length;
  return { open: found.open.length, lost, ended: ends.length - lost };
}

describe.each(["sqlite", "postgres"] as const)("on %s", (engine) => {
  test(
    "L-17 O-03 T-11 a session outlives its server's end, and resumes through the successor, also when that is killed",
    PATIENCE,
    async () => {
      const { home, remove } = temporaryHome();
      const database = engine === "postgres" ? await createDatabase() : undefined;
      const url = database?.url ?? `sqlite:${join(home, "data", "gpu-dev.db")}`;
      const port = await freePort();
      const cutter = new Cutter(port);
      await cutter.listen();
      const start = (): Promise<ServerProcess> =>
        startServerProcess({
          home,
          args: ["--listen", `127.0.0.1:${port}`, "--tunnel-url", cutter.url, "--drain-max", "10m"],
          ...(database ? { env: { GPU_DEV_DATABASE: database.url } } : {}),
        });
      const first = await start();
      const running = [first];
      onTestFinished(async () => {
        await Promise.all(running.map((server) => server.kill()));
        await cutter.close();
        await database?.drop();
        remove();
      });
      const reserved = await gpuDev(home, ["reserve", "--gpu-type", "cpu", "--time", "1h", "--json"]);
      expect(reserved).toMatchObject({ code: 0 });
      const { id } = JSON.parse(reserved.stdout) as Reservation;
      const host = `gpu-dev-${id.slice(0, 8)}`;
      const session = new SshSession(home, host);
      onTestFinished(() => session.kill());
      expect(await session.echo("with the first server\n")).toBe("with the first server\n");

      const firstEnded = first.stop();
      const second = await start();
      running.push(second);
      expect(second.pid).not.toBe(first.pid);
      expect(await second.api.getReservation({ params: { id } })).toMatchObject({ state: "active" });
      expect(first.log()).toMatch(
        /gpu-dev server: 1 ssh session is open; .* at the latest in 10m; another signal ends them now\n/,
      );
      expect(await session.echo("over the connection that it had\n")).toBe(
        "over the connection that it had\n",
      );

      const bytes = randomBytes(4 * MIB);
      const cuts = cutAt(cutter, [cutter.moved + MIB, cutter.moved + 5 * MIB]);
      session.type(bytes);
      expect((await session.hear(bytes.length)).equals(bytes)).toBe(true);
      expect(cuts.left).toBe(0);
      const another = new SshSession(home, host);
      expect(await another.echo("through the second\n")).toBe("through the second\n");
      await vi.waitFor(async () => expect(await tunnels(url)).toEqual({ open: 2, lost: 0, ended: 0 }), GUARD);

      await second.kill();
      session.type("while nobody is there\n");
      const third = await start();
      running.push(third);
      expect((await session.hear(22)).toString()).toBe("while nobody is there\n");
      expect(await session.echo("through the third\n")).toBe("through the third\n");
      expect(await another.end()).toMatchObject({ code: 255, stderr: expect.stringContaining(" ended") });
      expect(await session.end()).toEqual({ code: 0, rest: "", stderr: "" });
      expect(await firstEnded).toBe(0);
      expect(await tunnels(url)).toEqual({ open: 0, lost: 1, ended: 1 });

      expect(await gpuDev(home, ["cancel", id])).toMatchObject({ code: 0 });
      await vi.waitFor(() => expect(readdirSync(join(home, "data", "pods"))).toEqual([]), GUARD);
      expect(await third.stop()).toBe(0);
      expect(readdirSync(join(home, "data", "gateways"))).toEqual([]);
      await vi.waitFor(() => expect(processesNaming(home)).toEqual([]), GUARD);
    },
  );
});
