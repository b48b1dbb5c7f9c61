/** Disks that an agent works on: what every engine promises, and what becomes of the work when one end goes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Progress } from "../../src/drivers/disks.ts";
import { AgentLink } from "../../src/drivers/docker-disks/link.ts";
import { RemoteDisks } from "../../src/drivers/docker-disks/remote-disks.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { AGENT, AgentRig } from "./agent-rig.ts";
import { newId } from "./contract.ts";
import { disksContract, MIB, silent } from "./disks-contract.ts";

disksContract("disks of an agent", () => AgentRig.make());

let rig: AgentRig;
beforeEach(async () => {
  rig = await AgentRig.make();
});
afterEach(async () => {
  expect(await rig.remains()).toEqual([]);
  await rig.close();
});

/** With files that take a while to copy. */
async function fullDisk(engine: ReturnType<AgentRig["remote"]>): Promise<string> {
  const disk = newId();
  await engine.create(disk, 64 * MIB);
  await rig.onDisk(disk, "head -c 20000000 /dev/urandom >file");
  return disk;
}

/** Resolves when all of the snapshot is made and waits to be agreed to; `agree` lets it go on. */
function waiting(): { progress: Progress; made: Promise<void>; agree: () => void } {
  const [made, agreed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const confirm = (): Promise<void> => {
    made.resolve();
    return agreed.promise;
  };
  return { progress: Object.assign(() => undefined, { confirm }), made: made.promise, agree: agreed.resolve };
}

test("who closes does not wait for an agent that is being started, and ends it when it is there", async () => {
  const [started, ended] = [Promise.withResolvers<AgentLink>(), Promise.withResolvers<void>()];
  const start = () => started.promise;
  const disks = new RemoteDisks({ start, requirePod: async () => undefined });
  const asked = disks.room().catch((error: unknown) => error);
  await disks.close();
  const [input, output] = [new PassThrough(), new PassThrough()];
  input.on("finish", () => ended.resolve());
  started.resolve(new AgentLink({ input, output, said: () => "" }));
  await ended.promise;
  expect(await asked).toBeInstanceOf(DriverError);
});

test("L-05 an agent that is killed in the middle leaves nothing that counts, and the next one goes on", async () => {
  const engine = rig.remote();
  const disk = await fullDisk(engine);
  const snapshot = newId();
  const { progress, made } = waiting();
  const taken = engine.snapshot(disk, snapshot, progress);
  const outcome = taken.catch((error) => error);
  await made;
  rig.agents[0]?.child.kill("SIGKILL");
  expect(await outcome).toBeInstanceOf(DriverError);
  expect((await outcome).message).toBe("the agent that works on disks ended");
  // Its copy may have the disk for a moment more.
  await expect
    .poll(() => engine.snapshot(disk, snapshot, silent).then(() => "taken", String), { timeout: 20_000 })
    .toBe("taken");
  expect(await engine.list()).toMatchObject({ snapshots: [snapshot], halfMade: [] });
  expect(rig.agents.length).toBe(2);
});

test("L-05 an agent ends with its server, also in the middle of its work, and frees what it had", async () => {
  const engine = rig.remote();
  const disk = await fullDisk(engine);
  const { progress, made } = waiting();
  const outcome = engine.snapshot(disk, newId(), progress).catch((error) => error);
  await made;
  // What the system does with the pipes of a server that is killed.
  rig.agents[0]?.child.stdin.destroy();
  expect(await outcome).toBeInstanceOf(DriverError);
  await rig.agents[0]?.ended;
  const next = rig.remote();
  await expect
    .poll(() => next.remove({ disk }).then(() => "removed", String), { timeout: 20_000 })
    .toBe("removed");
  for (const name of (await next.list()).halfMade) await next.discardHalfMade(name);
  expect(await next.list()).toMatchObject({ disks: [], snapshots: [], halfMade: [] });
});

test("an agent that hears nothing any more ends, though its input stays open", async () => {
  const { dataDir } = rig.options;
  const agent = spawn(process.execPath, [AGENT, dataDir, "50"], { stdio: ["pipe", "ignore", "inherit"] });
  expect((await once(agent, "exit"))[0]).toBe(1);
});

test("an agent that cannot begin says why, and the next call starts another one", async () => {
  const engine = rig.remote();
  const { dataDir } = rig.options;
  await rm(dataDir, { recursive: true });
  await writeFile(dataDir, "");
  await expect(engine.list()).rejects.toThrow("ENOTDIR: not a directory");
  await rm(dataDir);
  expect(await engine.list()).toMatchObject({ disks: [] });
});

test.each(["no JSON", "null", '{"id":"1"}'])(
  "an agent that says what is no message is as good as gone, and its server goes on: %s",
  async (said) => {
    const [input, output] = [new PassThrough().resume(), new PassThrough()];
    const link = new AgentLink({ input, output, said: () => "" });
    const asked = link.ask("list", []);
    output.write(`${said}\n`);
    await expect(asked).rejects.toThrow("the agent that works on disks ended: what it said is no message");
    await expect(link.ask("list", [])).rejects.toThrow(DriverError);
  },
);

test("D-03 a snapshot of a disk in use counts only if the pod has it from the beginning to the end", async () => {
  const asked: string[] = [];
  let there = true;
  const engine = rig.remote({
    requirePod: async (pod, disk) => {
      asked.push(`${pod} ${disk}`);
      if (!there) throw new DriverError("the pod that has the disk is not running");
    },
  });
  const disk = await fullDisk(engine);
  const release = await rig.hold(disk);
  const snapshot = newId();
  const ends: Progress = Object.assign(() => {
    there = false;
  }, {});
  await expect(engine.snapshot(disk, snapshot, ends, "pod-1")).rejects.toThrow(
    "the pod that has the disk is not running",
  );
  expect(await engine.list()).toMatchObject({ snapshots: [], halfMade: [] });
  there = true;
  const use = await engine.snapshot(disk, snapshot, silent, "pod-1");
  expect(use).toMatchObject({ files: 1, changing: 0 });
  expect(new Set(asked)).toEqual(new Set([`pod-1 ${disk}`]));
  await release();
});

test("D-02 a disk that is not there, or that somebody has, is refused as a pod's home", async () => {
  const engine = rig.remote();
  await expect(engine.attach(newId())).rejects.toThrow(LaunchRefused);
  const disk = await fullDisk(engine);
  await engine.attach(disk);
  const release = await rig.hold(disk);
  await expect(engine.attach(disk)).rejects.toThrow("another pod has the disk, or it is being copied");
  await release();
  const home = join(rig.disk(disk), "home");
  await rename(home, `${home}-away`);
  await expect(engine.attach(disk)).rejects.toThrow("the disk is damaged");
});

test("an agent that nobody needs ends by itself, and is started again when somebody does", async () => {
  const engine = rig.remote({ idleMs: 1 });
  await engine.list();
  await rig.agents[0]?.ended;
  expect(rig.agents[0]?.child.exitCode).toBe(0);
  await engine.list();
  expect(rig.agents.length).toBe(2);
});
