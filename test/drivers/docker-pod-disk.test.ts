/** Named disks of a Docker host as homes of its pods, and what becomes of them when somebody is killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { RemoteDisks } from "../../src/drivers/docker-disks/remote-disks.ts";
import { type Driver, LaunchRefused, type PodSpec } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import type { ImageKind } from "../helpers/docker-images.ts";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { FINGERPRINT, MIB, silent } from "./disks-contract.ts";
import { DockerDiskRig } from "./docker-disks-rig.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const ROUNDS = process.env.GPU_DEV_SOAK === undefined ? 2 : 40;
/** A copy takes about this long here. */
const SPREAD_MS = 700;
const GUARD = { timeout: 60_000, interval: 50 };
const seed = chosenSeed();

describe.skipIf(noDockerEngine())("a Docker Engine", () => {
  let engine: DockerEngine;
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  let rig: DockerDiskRig;
  let disks: RemoteDisks;
  let disk: string;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    [engine, dir] = await Promise.all([DockerEngine.start({ gpus: false }), temporaryDirectory()]);
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
  });
  beforeEach(async () => {
    rig = await DockerDiskRig.on(engine);
    disks = await rig.open();
    disk = newId();
    await disks.create(disk, 64 * MIB);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    const { disks: left, snapshots } = await disks.list();
    for (const id of left) await disks.remove({ disk: id });
    for (const id of snapshots) await disks.remove({ snapshot: id });
    expect((await disks.list()).halfMade).toEqual([]);
    expect(await rig.remains()).toEqual([]);
    await rig.close();
  });
  afterAll(async () => {
    await engine.stop();
    await rm(dir, { recursive: true });
  });

  async function open(image: ImageKind = "sshd"): Promise<Driver> {
    const { deployment: deploymentId } = rig.names;
    const pods = await DockerRig.make(engine, { image: await engine.image(image), deploymentId });
    const driver = await pods.open();
    closing.push(
      () => pods.close(),
      () => driver.close(),
    );
    return driver;
  }

  async function launch(driver: Driver, volume = disk): Promise<{ spec: PodSpec; access: PodAccess }> {
    const spec = { ...(await podSpec(driver, host, user)), disk: { volume } };
    await driver.launch(spec);
    closing.push(() => driver.terminate(spec.name));
    await untilRunning(driver, spec.name);
    const access = await PodAccess.open(driver, spec.name, host.publicKey);
    closing.push(() => access.close());
    return { spec, access };
  }

  test("what a pod leaves at home is there for the next one, whoever its image's user is", async () => {
    const driver = await open();
    expect(driver.disks?.names).toEqual(["box"]);
    const first = await launch(driver);
    const made = await first.access.ssh(user, "pwd; echo kept >file; mkdir own; chmod 500 own");
    expect(made).toMatchObject({ code: 0, stdout: "/home/dev\n", stderr: "" });
    await driver.update(first.spec.name, { endNotice: "it ends at 16:32" });
    expect((await first.access.ssh(user, "cat GPU_DEV_NOTICE")).stdout).toBe("it ends at 16:32\n");
    await driver.terminate(first.spec.name);
    const use = await disks.snapshot(disk, newId(), silent);
    expect(use.files).toBeGreaterThanOrEqual(2);
    expect((await rig.onDisk(disk, "ls")).stdout).toBe("file\nown\n");

    const other = await launch(await open("distroless"));
    // Nothing but its bash.
    const seen = await other.access.ssh(user, 'echo "$(<file)"; echo new >mine; [ -O mine ] && echo "$UID"');
    expect(seen).toMatchObject({ code: 0, stdout: "kept\n65532\n", stderr: "" });
  });

  test("D-01 D-02 a disk has one pod, and one that it cannot have is refused", async () => {
    const driver = await open();
    const { spec } = await launch(driver);
    const refused = async (volume: string) =>
      driver.launch({ ...(await podSpec(driver, host, user)), disk: { volume } }).catch((error) => error);
    expect(await refused(disk)).toBeInstanceOf(LaunchRefused);
    expect((await refused(disk)).message).toBe("another pod has the disk, or it is being copied");
    expect((await refused(newId())).message).toBe("the data of the disk are not there");
    for (const work of [
      () => disks.clone(disk, newId(), 64 * MIB, silent),
      () => disks.resize(disk, 32 * MIB),
      () => disks.remove({ disk }),
      () => disks.snapshot(disk, newId(), silent),
    ])
      await expect(work()).rejects.toThrow("the disk is in use by a pod, or by other work on it");
    await engine.docker("kill", rig.names.of(spec.name));
    await expect.poll(() => driver.inspect(spec.name), GUARD).toMatchObject({ state: "dead" });
    await launch(driver);
  });

  test("D-03 a snapshot while a pod has the disk, and none of a pod that has it not, or no longer", async () => {
    const driver = await open();
    const { spec, access } = await launch(driver);
    await access.ssh(user, "head -c 3000000 /dev/urandom >quiet; sha256sum quiet >sum");
    const snapshot = newId();
    expect(await disks.snapshot(disk, snapshot, silent, spec.name)).toMatchObject({ files: 2, changing: 0 });
    expect((await rig.inSnapshot(snapshot, "sha256sum -c sum")).stdout).toBe("quiet: OK\n");
    const other = newId();
    await disks.create(other, 32 * MIB);
    const words = "the pod that has the disk is not running";
    await expect(disks.snapshot(other, newId(), silent, spec.name)).rejects.toThrow(words);
    const ends = Object.assign(() => undefined, {
      confirm: () => engine.docker("kill", rig.names.of(spec.name)).then(() => undefined),
    });
    await disks.snapshot(disk, newId(), ends, spec.name);
    await expect(disks.snapshot(disk, newId(), silent, spec.name)).rejects.toThrow(words);
  });

  test("the agent's container has the disks and nothing else, and is gone when nobody needs it", async () => {
    const [agent = ""] = await rig.agents();
    const { HostConfig, Config, Mounts } = JSON.parse(await engine.docker("inspect", agent))[0];
    expect(HostConfig).toMatchObject({
      AutoRemove: true,
      NetworkMode: "none",
      ReadonlyRootfs: true,
      Privileged: false,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
    });
    expect(Config.Labels).toMatchObject({ "gpu-dev.deployment": rig.names.deployment });
    expect(Mounts).toMatchObject([{ Type: "volume", Name: rig.names.of("disks"), Destination: "/disks" }]);
    // What is left there by who started it is taken away when it ends.
    const bash = (script: string) => engine.docker("exec", agent, "bash", "-c", script);
    await bash("sleep 0.2 </dev/null >/dev/null 2>&1 &");
    const processes = () => bash(`for at in /proc/[0-9]*; do read -r line <$at/stat && echo "$line"; done`);
    await expect.poll(processes, GUARD).not.toContain("(sleep)");
    await disks.close();
    await expect.poll(() => rig.agents(), GUARD).toEqual([]);
    expect((await disks.list()).disks).toEqual([disk]);
  });

  test(
    `L-04 L-05 a server that is killed at any instant leaves the whole or nothing, and no agent (seed ${seed})`,
    async () => {
      const dice = new Dice(seed);
      await rig.onDisk(
        disk,
        "head -c 20000000 /dev/urandom >file; mkdir many; cd many; for i in {1..300}; do : >n$i; done",
      );
      const fingerprint = (await rig.onDisk(disk, FINGERPRINT)).stdout;
      expect(fingerprint).toMatch(/^[0-9a-f]{64}/);
      for (let round = 0; round < ROUNDS; round++) {
        const verb = dice.one<"snapshot" | "clone">("snapshot", "clone");
        const target = newId();
        const args = verb === "snapshot" ? [disk, target] : [disk, target, 64 * MIB];
        await killed(verb, args, dice.random() * SPREAD_MS);
        await expect.poll(async () => (await rig.agents()).length, GUARD).toBeLessThanOrEqual(1);
        const list = await disks.list();
        const there = verb === "snapshot" ? list.snapshots : list.disks;
        if (there.includes(target)) await same(verb, target, fingerprint);
        const work = disks[verb] as (...given: unknown[]) => Promise<unknown>;
        await expect
          .poll(() => work.call(disks, ...args, silent).then(() => "done", String), GUARD)
          .toBe("done");
        await same(verb, target, fingerprint);
        await disks.remove(verb === "snapshot" ? { snapshot: target } : { disk: target });
        for (const name of (await disks.list()).halfMade) await disks.discardHalfMade(name);
        expect(await disks.list()).toEqual({ disks: [disk], snapshots: [], halfMade: [], quarantined: [] });
      }
    },
    (ROUNDS + 2) * 30_000,
  );

  async function same(verb: "snapshot" | "clone", target: string, fingerprint: string): Promise<void> {
    const look = verb === "snapshot" ? rig.inSnapshot : rig.onDisk;
    expect((await look.call(rig, target, FINGERPRINT)).stdout, verb).toBe(fingerprint);
  }

  /** In the middle of what a server of its own does. */
  async function killed(verb: string, args: unknown[], afterMs: number): Promise<void> {
    const script = join(import.meta.dirname, "docker-disks-to-kill.ts");
    const job = JSON.stringify({ url: engine.url, deployment: rig.names.deployment, verb, args });
    const server = spawn(process.execPath, [script, job], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void server.kill("SIGKILL"));
    const exit = once(server, "exit");
    await once(createInterface(server.stdout), "line");
    await Promise.race([exit, pause(afterMs)]);
    server.kill("SIGKILL");
    await exit;
  }
});
