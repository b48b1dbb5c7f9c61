/** Watching with the built command, through a server that is killed and comes back with another port and token. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Reservation } from "../../src/api/reservations.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { environment, startServerProcess } from "../helpers/server-process.ts";

const cli = join(import.meta.dirname, "..", "..", "bin", "gpu-dev.js");

/** The built command, going on by itself; with what it has printed so far. */
function start(home: string, ...args: string[]) {
  const child = spawn(process.execPath, [cli, ...args], { env: environment(home) });
  const seen = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    seen.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    seen.stderr += chunk;
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, seen, exit: once(child, "exit") };
}

test("L-05 C-01 reserve and list --watch live through a server that is killed, each with one line on stderr", async () => {
  const { home, remove } = temporaryHome();
  const serverArgs = { home, args: ["--simulate", "h100:1"] };
  const first = await startServerProcess(serverArgs);
  const reserve = (name: string) => [
    "reserve",
    "--gpu-type",
    "h100",
    "--time",
    "1h",
    "--name",
    name,
    "--json",
  ];
  expect(await gpuDev(home, reserve("holder"))).toMatchObject({ code: 0 });
  const waiting = start(home, ...reserve("waits"));
  const watching = start(home, "list", "--watch", "--json");
  await vi.waitFor(() => expect(watching.seen.stdout).toContain('"waits"'), { timeout: 60_000 });
  await vi.waitFor(() => expect(waiting.seen.stderr).toContain("Queued as #1"), { timeout: 60_000 });

  await first.kill();
  const outage = "The server does not answer now; asking again\n";
  await vi.waitFor(() => expect(waiting.seen.stderr).toContain(outage), { timeout: 60_000 });
  const second = await startServerProcess(serverArgs);
  expect(await gpuDev(home, ["cancel", "holder"])).toMatchObject({ code: 0 });
  expect(await waiting.exit).toEqual([0, null]);
  expect((JSON.parse(waiting.seen.stdout) as Reservation).state).toBe("active");
  expect(waiting.seen.stderr.split(outage)).toHaveLength(2);

  const states = () =>
    watching.seen.stdout
      .trimEnd()
      .split("\n")
      .flatMap((line) => (JSON.parse(line) as { items: Reservation[] }).items)
      .filter((r) => r.name === "waits")
      .map((r) => r.state)
      // It may have passed before the watcher was connected again.
      .filter((state) => state !== "preparing");
  await vi.waitFor(() => expect(states().at(-1)).toBe("active"), { timeout: 60_000 });
  expect([...new Set(states())]).toEqual(["queued", "active"]);
  watching.child.kill("SIGINT");
  expect(await watching.exit).toEqual([130, null]);
  expect(watching.seen.stderr).toBe(outage);

  expect(await gpuDev(home, ["cancel", "waits"])).toMatchObject({ code: 0 });
  expect(await second.stop()).toBe(0);
  remove();
});
