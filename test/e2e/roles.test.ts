/** The server's roles in processes of their own, with real ssh through them. */
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Reservation } from "../../src/api/reservations.ts";
import { freePort } from "../helpers/free-port.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { createDatabase } from "../helpers/postgres.ts";
import { processesNaming } from "../helpers/processes.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { type ServerProcess, startServerProcess } from "../helpers/server-process.ts";
import { SshSession } from "../helpers/ssh-session.ts";
import { Balancer } from "../tunnel/balancer.ts";

const GUARD = { timeout: 60_000, interval: 50 };
/** Several servers and ssh clients start here, and each dial may wait its turn: this is against hanging only. */
const PATIENCE = { timeout: 900_000 };

interface Fleet {
  readonly home: string;
  start(...args: string[]): Promise<ServerProcess>;
}

async function fleet(engine: "sqlite" | "postgres"): Promise<Fleet> {
  const { home, remove } = temporaryHome();
  const database = engine === "postgres" ? await createDatabase() : undefined;
  const running: ServerProcess[] = [];
  onTestFinished(async () => {
    await Promise.all(running.map((server) => server.kill()));
    await database?.drop();
    remove();
  });
  return {
    home,
    async start(...args) {
      const env = database ? { GPU_DEV_DATABASE: database.url } : {};
      const server = await startServerProcess({ home, args, env });
      running.push(server);
      return server;
    },
  };
}

async function reserve(home: string): Promise<{ id: string; host: string }> {
  const done = await gpuDev(home, ["reserve", "--gpu-type", "cpu", "--time", "1h", "--json"]);
  expect(done).toMatchObject({ code: 0 });
  const { id } = JSON.parse(done.stdout) as Reservation;
  return { id, host: `gpu-dev-${id.slice(0, 8)}` };
}

/** What runs of pods: their first processes name their directory. */
const podsBelow = (home: string): number[] => processesNaming(join(home, "data", "pods"));

function openSession(home: string, host: string): SshSession {
  const session = new SshSession(home, host);
  onTestFinished(() => session.kill());
  return session;
}

const health = async (server: ServerProcess) => {
  const live = await fetch(`${server.url}/healthz`);
  const ready = (await (await fetch(`${server.url}/readyz`)).json()) as { checks: object };
  return [live.status, Object.keys(ready.checks).toSorted()];
};

describe.each(["sqlite", "postgres"] as const)("each role on %s", (engine) => {
  test(
    "O-05 T-08 T-11 a session goes through the restart of all but its gateway, and ends with its reservation",
    PATIENCE,
    async () => {
      const { home, start } = await fleet(engine);
      const [port, apiPort] = [await freePort(), await freePort()];
      const direct = engine === "sqlite";
      // The gateway is the first one there is: it needs none of the others to start.
      const gateway = await start("--role", "gateway", "--listen", `127.0.0.1:${port}`);
      const startApi = () =>
        start(
          ...["--role", "api", "--listen", `127.0.0.1:${apiPort}`],
          ...(direct ? ["--tunnel-url", `http://127.0.0.1:${port}`] : []),
        );
      const startWorker = () => start("--role", "worker");
      const [api, worker] = [await startApi(), await startWorker()];
      expect([gateway.line, api.line, worker.line].map((line) => /\(([^,]+),/.exec(line)?.[1])).toEqual([
        "gateway",
        "api",
        "worker",
      ]);
      expect(await health(gateway)).toEqual([200, ["database", "presence"]]);
      for (const server of [api, worker])
        expect(await health(server)).toEqual([200, ["database", "driver", "presence"]]);
      for (const server of [gateway, worker])
        expect((await fetch(`${server.url}/v1/reservations`)).status).toBe(404);

      const { id, host } = await reserve(home);
      const session = openSession(home, host);
      expect(await session.echo("before\n")).toBe("before\n");
      expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0]);
      const typed = "while nobody is there\n";
      session.type(typed);
      // Beside the API's process nothing has happened to it at all; through it, its connection has ended.
      if (direct) expect((await session.hear(typed.length)).toString()).toBe(typed);
      const [next] = await Promise.all([startApi(), startWorker()]);
      if (!direct) expect((await session.hear(typed.length)).toString()).toBe(typed);
      expect(await session.echo("after\n")).toBe("after\n");
      for (const words of ["tunnel detached", "tunnel resumed"])
        expect(gateway.log().includes(words)).toBe(!direct);
      const another = openSession(home, host);
      expect(await another.echo("another\n")).toBe("another\n");

      await next.api.cancelReservation({ params: { id } });
      await expect(session.hear(1)).rejects.toThrow(/reservation .* ended .*cancelled by its owner/);
      await expect(another.hear(1)).rejects.toThrow(/reservation .* ended .*cancelled by its owner/);
      await expect
        .poll(async () => (await next.api.getReservation({ params: { id } })).state, GUARD)
        .toBe("cancelled");
      expect(await gateway.stop()).toBe(0);
    },
  );
});

test(
  "T-11 three servers behind a balancer that sends each dial anywhere: a session finds its own again",
  PATIENCE,
  async () => {
    const { home, start } = await fleet("postgres");
    const seed = chosenSeed();
    const random = randomFrom(seed);
    const ports: number[] = [];
    const balancer = new Balancer(() => ports[Math.floor(random() * ports.length)] ?? 0);
    await balancer.listen();
    onTestFinished(() => balancer.close());
    const url = `http://127.0.0.1:${balancer.port}`;
    const servers = await Promise.all([1, 2, 3].map(() => start("--tunnel-url", url)));
    ports.push(...servers.map((server) => Number(new URL(server.url).port)));

    const { id, host } = await reserve(home);
    const sessions = [1, 2, 3].map(() => openSession(home, host));
    for (let round = 0; round < 5; round++) {
      const text = `round ${round}\n`;
      expect(await Promise.all(sessions.map((session) => session.echo(text))), `seed ${seed}`).toEqual([
        text,
        text,
        text,
      ]);
      balancer.cut();
    }
    for (const session of sessions) expect(await session.echo("!")).toBe("!");
    expect(balancer.picked.size, `seed ${seed}`).toBe(3);
    const resumed = servers.map((server) => server.log().match(/tunnel resumed/g)?.length ?? 0);
    expect(resumed.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(sessions.length * 5);
    for (const session of sessions) expect((await session.end()).code).toBe(0);
    await servers[0]?.api.cancelReservation({ params: { id } });
    await expect.poll(() => podsBelow(home), GUARD).toEqual([]);
  },
);
