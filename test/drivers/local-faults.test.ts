/** What can go wrong on one machine, beside what all drivers share. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Driver, LaunchRefused, type PodSpec } from "../../src/drivers/driver.ts";
import { blockOf, releaseBlock } from "../../src/drivers/local/addresses.ts";
import { abandon, readPort } from "../../src/drivers/local/control.ts";
import { findOpenSsh } from "../../src/drivers/local/openssh.ts";
import { freePorts } from "../../src/drivers/local/ports.ts";
import { podArgument } from "../../src/drivers/local/process-table.ts";
import { processesNaming } from "../helpers/processes.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";
import { type KeyPair, makeKey, PodAccess, run, temporaryDirectory } from "./ssh.ts";

let dir: string;
let rig: LocalRig;
let driver: Driver;
let user: KeyPair;
let host: KeyPair;
let spec: PodSpec;

beforeEach(async () => {
  [dir, rig] = await Promise.all([temporaryDirectory(), LocalRig.make("processes")]);
  driver = await rig.open();
  [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
  spec = await podSpec(driver, host, user);
});

afterEach(async () => {
  expect(await rig.sweep(driver)).toEqual([]);
  await rig.close();
  await rm(dir, { recursive: true });
});

const untilDead = (reason: RegExp) =>
  expect
    .poll(() => driver.inspect(spec.name), { timeout: 20_000 })
    .toEqual({ state: "dead", reason: expect.stringMatching(reason) });

async function hold(): Promise<PodAccess> {
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  const access = await PodAccess.open(driver, spec.name, host.publicKey);
  const session = access.hold(user, "(exec >/dev/null 2>&1; sleep 4000) & echo up; sleep 4000");
  await new Promise((resolve) => session.stdout?.once("data", resolve));
  return access;
}

test("L-11 a pod says what its first process could not: killed, or the machine restarted", async () => {
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  await rig.kill(spec.name);
  await untilDead(/^its first process was killed, and not for want of memory$/);
  const file = (name: string) => join(rig.dir(spec.name), "control", name);
  const kills = Number(await readFile(file("oom"), "utf8"));
  await writeFile(file("oom"), `${kills - 1}\n`);
  await untilDead(/^its first process was killed, probably for want of memory/);
  await writeFile(file("oom"), "");
  await untilDead(/^its first process was killed \(out of memory, or by hand\)$/);
  await writeFile(file("boot"), "another\n");
  await untilDead(/^the machine restarted$/);
});

test("plain processes that lost their init are found and ended, sshd's included", async () => {
  const access = await hold();
  await rig.kill(spec.name);
  await untilDead(/killed/);
  expect((await rig.remains(spec.name)).length).toBeGreaterThan(3);
  await driver.terminate(spec.name);
  expect(await rig.remains(spec.name)).toEqual([]);
  await access.close();
});

test("L-18 the watchdog ends the sessions of plain processes too", async () => {
  const access = await hold();
  await driver.update(spec.name, { deadlineS: -100 });
  await expect
    .poll(() => rig.remains(spec.name), { timeout: 20_000 })
    .toEqual([join(rig.options.dataDir, "pods", spec.name)]);
  await access.close();
});

const MODES = process.getuid?.() === 0 ? (["processes", "namespaces"] as const) : (["processes"] as const);
test.each(MODES)("L-18 a pod of %s whose directory is removed under it ends itself", async (mode) => {
  const another = await LocalRig.make(mode);
  const driver = await another.open();
  const spec = await podSpec(driver, host, user);
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  // The pod may still write there.
  await rm(join(another.dir(spec.name), "control"), { recursive: true, maxRetries: 10 });
  await expect.poll(() => processesNaming(another.options.dataDir), { timeout: 30_000 }).toEqual([]);
  expect(await another.sweep(driver)).toEqual([]);
  await another.close();
});

test("L-12 L-13 what is not a pod of this deployment is told once and left alone", async () => {
  const foreign = `${newId()}-1`;
  const pods = join(rig.options.dataDir, "pods");
  await mkdir(join(pods, foreign));
  await writeFile(join(pods, foreign, "deployment"), "another");
  await writeFile(join(pods, "notes.txt"), "keep me");
  expect((await driver.list()).pods).toEqual([]);
  expect((await driver.list()).pods).toEqual([]);
  await expect(driver.terminate(foreign)).rejects.toThrow(/is no pod of this deployment and is left alone/);
  expect(rig.logged.filter((line) => line.includes("left alone"))).toHaveLength(2);
  expect((await run("ls", [pods])).stdout.split("\n").sort()).toEqual(["", foreign, "notes.txt"].sort());

  // What is gone is not remembered.
  await rm(join(pods, "notes.txt"));
  await driver.list();
  await writeFile(join(pods, "notes.txt"), "new");
  await driver.list();
  expect(rig.logged.filter((line) => line.includes("left alone"))).toHaveLength(3);
});

test("L-13 a file or a link that is called like a pod is told once, and neither removed nor followed", async () => {
  const pods = join(rig.options.dataDir, "pods");
  const [file, link] = [`${newId()}-1`, `${newId()}-2`];
  const elsewhere = join(rig.options.dataDir, "elsewhere");
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, "mine"), "keep me");
  await writeFile(join(pods, file), "keep me");
  await symlink(elsewhere, join(pods, link));
  for (let i = 0; i < 2; i++) expect((await driver.list()).pods).toEqual([]);
  for (const name of [file, link]) {
    await expect(driver.terminate(name)).rejects.toThrow(/left alone/);
    await expect(driver.launch({ ...spec, name, reservationId: name.slice(0, 20) })).rejects.toThrow(
      /left alone/,
    );
  }
  expect(rig.logged.filter((line) => line.includes("left alone"))).toHaveLength(2);
  expect(await readFile(join(pods, file), "utf8")).toBe("keep me");
  expect(await readFile(join(pods, link, "mine"), "utf8")).toBe("keep me");
});

test("L-13 what is no link among the addresses of gangs is in nobody's way", async () => {
  const gangs = join(rig.options.dataDir, "gangs");
  await mkdir(join(gangs, "lost+found"), { recursive: true });
  await writeFile(join(gangs, "7"), "not a link");
  const block = await blockOf(rig.options.dataDir, "a-gang");
  expect(await blockOf(rig.options.dataDir, "a-gang")).toBe(block);
  await releaseBlock(rig.options.dataDir, "a-gang");
  expect((await run("ls", [gangs])).stdout).toBe("7\nlost+found\n");
});

test("L-04 a directory that a launch left half made is listed, is no pod, and is made again", async () => {
  const control = join(rig.dir(spec.name), "control");
  await mkdir(control, { recursive: true });
  await writeFile(join(control, "host_key"), "half a k");
  expect((await driver.list()).pods).toEqual([spec.name]);
  expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
});

test("L-05 a server that was killed while it took away an interrupted launch leaves no dead pod", async () => {
  // Its first half: the init that was on its way is killed, and the directory is still there.
  await driver.launch(spec);
  await abandon(rig.dir(spec.name));
  await rig.kill(spec.name);
  expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
  expect((await driver.list()).pods).toEqual([spec.name]);
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
});

test("L-04 an init on its way from a server that is dead finds the pod taken, and goes", async () => {
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  const pod = rig.dir(spec.name);
  const init = [
    join(pod, "control", "init"),
    podArgument(pod),
    join(pod, "control"),
    "/bin/false",
    "60",
    "1",
  ];
  const late = () => run("bash", [join(pod, "control", "start"), podArgument(pod), "bash", ...init]);
  expect(await Promise.all([late(), late(), late()])).toMatchObject([{ code: 0 }, { code: 0 }, { code: 0 }]);
  expect(await rig.running(spec.name)).toBe(1);
  expect(await driver.inspect(spec.name)).toEqual({ state: "running" });
});

test("a pid in the claim that is somebody else's by now is not the pod", async () => {
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  await rig.kill(spec.name);
  await untilDead(/killed/);
  await writeFile(join(rig.dir(spec.name), "control", "claim"), `${process.pid}\n`);
  expect(await driver.inspect(spec.name)).toMatchObject({ state: "dead" });
  await driver.terminate(spec.name);
});

test("a port that is taken between the choice and the bind is left to whoever has it", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  process.kill(await rig.claim(spec.name), "SIGTERM");
  await untilDead(/told to end/);
  const control = join(rig.dir(spec.name), "control");
  for (const file of ["port", "died", "tick"]) await rm(join(control, file));
  // More than one: other tests take ports of this machine at the same time.
  const free = await freePorts(8);
  const { sshd } = await findOpenSsh();
  const init = spawn(
    "bash",
    [
      join(control, "init"),
      podArgument(rig.dir(spec.name)),
      control,
      sshd,
      "60",
      `${address.port}`,
      ...free.map(String),
    ],
    { stdio: "ignore" },
  );
  await expect.poll(() => readPort(rig.dir(spec.name)), { timeout: 20_000 }).toBeOneOf(free);
  init.kill("SIGKILL");
  taken.close();
});

test("L-11 an sshd that was killed is told with its reason", async () => {
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  const pid = await readFile(join(rig.dir(spec.name), "control", "sshd.pid"), "utf8");
  process.kill(Number(pid), "SIGKILL");
  await untilDead(/^its sshd was killed, and not for want of memory$/);
});

test("a home with directories that nobody may write to is removed", async () => {
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
  const cache = join(rig.dir(spec.name), "home", "cache");
  await mkdir(cache);
  await writeFile(join(cache, "module"), "");
  await chmod(cache, 0o500);
  await driver.terminate(spec.name);
  expect(await rig.remains(spec.name)).toEqual([]);
});

test("A-04 a launch that cannot write is a DriverError without a path, leaves nothing, and works once it can", async () => {
  await rm(join(rig.options.dataDir, "pods"), { recursive: true });
  await expect(driver.launch(spec)).rejects.toMatchObject({
    name: "DriverError",
    message: "ENOENT: no such file or directory",
  });
  await mkdir(join(rig.options.dataDir, "pods"));
  await driver.launch(spec);
  await untilRunning(driver, spec.name);
});

test("without an OpenSSH server a launch is refused with the command to type", async () => {
  await expect(findOpenSsh([join(dir, "sshd")])).rejects.toThrow(LaunchRefused);
  await expect(findOpenSsh([join(dir, "sshd")])).rejects.toThrow("apt-get install openssh-server");
});
