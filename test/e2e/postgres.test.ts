/** The first session again, with the server on PostgreSQL: nothing that a user sees depends on the engine. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { Reservation } from "../../src/api/reservations.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { createDatabase } from "../helpers/postgres.ts";
import { processesNaming } from "../helpers/processes.ts";
import { startServerProcess } from "../helpers/server-process.ts";

test("L-05 A-13 reserve, connect, kill the server, connect again, cancel: all on PostgreSQL", async () => {
  const { home, remove } = temporaryHome();
  const database = await createDatabase();
  const start = () => startServerProcess({ home, env: { GPU_DEV_DATABASE: database.url } });

  const first = await start();
  expect(first.line).toContain("postgres");
  const reserved = await gpuDev(home, [
    "reserve",
    "--gpu-type",
    "cpu",
    "--time",
    "1h",
    "--name",
    "pg",
    "--json",
  ]);
  expect(reserved).toMatchObject({ code: 0 });
  const { id } = JSON.parse(reserved.stdout) as Reservation;
  expect(await gpuDev(home, ["connect", "pg", "--", "exit 3"])).toMatchObject({ code: 3 });
  await first.kill();

  const second = await start();
  const seen = await gpuDev(home, ["connect", "pg", "--", "echo $GPU_DEV_RESERVATION_ID"]);
  expect(seen).toMatchObject({ code: 0, stdout: `${id}\n` });
  expect(await gpuDev(home, ["cancel", "pg"])).toMatchObject({ code: 0 });
  await vi.waitFor(() => expect(readdirSync(join(home, "data", "pods"))).toEqual([]), { timeout: 60_000 });
  expect(await second.stop()).toBe(0);
  await vi.waitFor(() => expect(processesNaming(home)).toEqual([]), { timeout: 60_000 });

  await database.drop();
  remove();
});
