/** The gateways' sockets in one data directory: those of dead servers, hung ones, and many at once. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openDoor } from "../../src/server/door.ts";

const gateway = { handleUpgrade: () => undefined };

async function dataDir(): Promise<{ dir: string; gateways: string }> {
  const dir = await mkdtemp(join(tmpdir(), "gd-door-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const gateways = join(dir, "gateways");
  await mkdir(gateways);
  return { dir, gateways };
}

/** A process that listens at these sockets, and then runs `program`. */
async function listener(paths: readonly string[], program = ""): Promise<ChildProcess> {
  const text = `const { createServer } = require("node:net");
    let left = ${paths.length};
    const listening = () => {
      if (--left > 0) return;
      require("node:fs").writeSync(1, "ready");
      ${program}
    };
    for (const path of ${JSON.stringify(paths)}) createServer().listen({ path, backlog: 1 }, listening);`;
  const child = spawn(process.execPath, ["--eval", text], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  await once(child.stdout, "data");
  return child;
}

test("L-17 servers that start together after a kill all open, and what it left is gone", async () => {
  const { dir, gateways } = await dataDir();
  const dead = Array.from({ length: 20 }, (_, i) => join(gateways, `dead${i}.sock`));
  const child = await listener(dead);
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
  const names = Array.from({ length: 8 }, (_, i) => `new${i}`);
  const doors = await Promise.all(names.map((name) => openDoor(dir, name, gateway)));
  onTestFinished(() => {
    for (const door of doors) door.close();
  });
  expect((await readdir(gateways)).sort()).toEqual(names.map((name) => `${name}.sock`));
  // Of each somebody learns that it is dead.
  expect([...new Set(doors.flatMap((door) => door.dead))].sort()).toEqual(
    dead.map((path) => basename(path, ".sock")).sort(),
  );
});

test("a hung gateway keeps its name, and no other from opening", async () => {
  const { dir, gateways } = await dataDir();
  const path = join(gateways, "hung.sock");
  await listener([path], "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);");
  // Nobody takes them: the kernel refuses the next one when its queue is full.
  const waiting: Socket[] = [];
  onTestFinished(() => {
    for (const socket of waiting) socket.destroy();
  });
  const refused = async (): Promise<boolean> => {
    const socket = connect(path);
    waiting.push(socket);
    return once(socket, "connect").then(
      () => false,
      () => true,
    );
  };
  while (!(await refused()));
  const door = await openDoor(dir, "new", gateway);
  onTestFinished(() => door.close());
  expect((await readdir(gateways)).sort()).toEqual(["hung.sock", "new.sock"]);
});
