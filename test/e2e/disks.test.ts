/** The README's "Keep your work", typed: a real server, real ssh, the real file system. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ContentsPage, Disk, Snapshot } from "../../src/api/disks.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { mountsBelow, processesNaming } from "../helpers/processes.ts";
import { type ServerProcess, startServerProcess } from "../helpers/server-process.ts";

const { home, remove } = temporaryHome();
/** Against hanging. */
const GUARD = { timeout: 60_000, interval: 50 };
let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({ home });
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
  await vi.waitFor(() => expect(processesNaming(home)).toEqual([]), GUARD);
  expect(mountsBelow(home)).toEqual([]);
  remove();
});

async function typed<T>(line: string): Promise<T> {
  const { code, stdout, stderr } = await gpuDev(home, [...line.split(" "), "--json"]);
  expect({ line, code, stderr: code === 0 ? "" : stderr + stdout }).toEqual({ line, code: 0, stderr: "" });
  return JSON.parse(stdout) as T;
}

const reserve = (name: string, disk: string) =>
  typed(`reserve --gpu-type cpu --time 1h --name ${name} --disk ${disk}`);
const inside = (name: string, command: string) => gpuDev(home, ["connect", name, "--", command]);

const names = async (snapshot: string): Promise<string[]> => {
  const { items } = await typed<ContentsPage>(`disk contents keep --snapshot ${snapshot}`);
  return items.map(({ name }) => name);
};

test("D-01 D-07 a file that was deleted is found in an earlier snapshot, and its disk beside the present one", async () => {
  expect(await typed<Disk>("disk create keep --size 64Mi")).toMatchObject({ state: "ready" });
  await reserve("work", "keep");
  expect(await inside("work", "echo lr=3e-4 > notes.txt; stat -c %U notes.txt")).toMatchObject({ code: 0 });
  const second = await gpuDev(home, ["reserve", "--gpu-type", "cpu", "--time", "1h", "--disk", "keep"]);
  expect(second).toMatchObject({ code: 9, stderr: expect.stringContaining("is in use by reservation work") });
  await typed("cancel work");
  await typed("disk wait keep");

  await reserve("later", "keep");
  expect(await inside("later", "cat notes.txt; rm notes.txt")).toMatchObject({
    code: 0,
    stdout: "lr=3e-4\n",
  });
  await typed("cancel later");
  await typed("disk wait keep");

  const { items } = await typed<{ items: Snapshot[] }>("disk snapshots keep");
  const [last, first] = items.map(({ id }) => id);
  expect(await names(last ?? "")).not.toContain("notes.txt");
  expect(await names(first ?? "")).toContain("notes.txt");

  await typed(`disk restore keep --from ${first} --as keep-then`);
  await reserve("look", "keep-then");
  expect(await inside("look", "cat notes.txt")).toMatchObject({ code: 0, stdout: "lr=3e-4\n" });
  await typed("cancel look");
  await typed("disk wait keep-then");
  await vi.waitFor(() => expect(readdirSync(join(home, "data", "pods"))).toEqual([]), GUARD);
});
