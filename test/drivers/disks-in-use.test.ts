/** Snapshots of disks that pods write to, and of disks on file systems that share blocks between files. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { DiskEngine } from "../../src/drivers/disks.ts";
import type { Driver } from "../../src/drivers/driver.ts";
import { homeOf } from "../../src/drivers/local/disk.ts";
import { cloneHeldStill, markOf } from "../../src/drivers/local-disks/freeze.ts";
import { createLocalDisks } from "../../src/drivers/local-disks.ts";
import { killIfThere, processesNaming } from "../helpers/processes.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { MIB, silent } from "./disks-contract.ts";
import { LocalDiskRig } from "./disks-rig.ts";
import { LocalRig } from "./local-rig.ts";
import { type Kind, lacks, type Medium, mountMedium } from "./medium.ts";
import { makeKey, run, temporaryDirectory } from "./ssh.ts";

const root = process.getuid?.() === 0;
const noXfs = lacks("xfs");

/** A pod with a disk, and a writer in its home. */
class InUse {
  readonly rig: LocalRig;
  readonly driver: Driver;
  readonly engine: DiskEngine;
  readonly volume = newId();
  readonly snapshot = newId();
  pod = "";
  home = "";
  #writer: ChildProcess | undefined;

  constructor(rig: LocalRig, driver: Driver, engine: DiskEngine) {
    this.rig = rig;
    this.driver = driver;
    this.engine = engine;
  }

  static async begin(isolation: "namespaces" | "processes", parent?: string): Promise<InUse> {
    const rig = await LocalRig.make(isolation, {}, parent);
    const driver = await rig.open();
    const engine = await createLocalDisks({ dataDir: rig.options.dataDir, isolation });
    const world = new InUse(rig, driver, engine);
    await engine.create(world.volume, 64 * MIB);
    const keys = await temporaryDirectory();
    const [user, host] = await Promise.all([makeKey(keys, "user"), makeKey(keys, "host")]);
    const spec = { ...(await podSpec(driver, host, user)), disk: { volume: world.volume } };
    await rm(keys, { recursive: true });
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
    world.pod = spec.name;
    world.home = await homeOf(rig.dir(spec.name));
    return world;
  }

  /** Statements with node:fs that are repeated, without a pause, until the end. */
  async write(statements: string): Promise<void> {
    const script = `const fs = require("node:fs"); fs.writeSync(1, "begun"); for (;;) { ${statements} }`;
    const writer = spawn(process.execPath, ["-e", script], {
      cwd: this.home,
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#writer = writer;
    await once(writer.stdout, "data");
  }

  async rest(): Promise<void> {
    if (!this.#writer || this.#writer.exitCode !== null) return;
    this.#writer.kill("SIGKILL");
    await once(this.#writer, "close");
    this.#writer = undefined;
  }

  inSnapshot(script: string): Promise<string> {
    const rig = new LocalDiskRig(this.rig.base, this.rig.options as never);
    return rig.inSnapshot(this.snapshot, script).then(({ stdout }) => stdout);
  }

  async end(): Promise<void> {
    await this.rest();
    expect(await this.rig.sweep(this.driver)).toEqual([]);
    await this.engine.remove({ disk: this.volume });
    await this.engine.remove({ snapshot: this.snapshot });
    expect((await this.engine.list()).halfMade).toEqual([]);
    const loops = await run("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"]);
    expect(loops.stdout).not.toContain(this.rig.base);
    await this.rig.close();
  }
}

describe.each(["processes", "namespaces"] as const)("a disk in use by a pod in %s", (isolation) => {
  describe.skipIf(isolation === "namespaces" && !root)("(namespaces need root)", () => {
    let world: InUse;
    beforeEach(async () => {
      world = await InUse.begin(isolation);
    });
    afterEach(() => world.end());

    test("D-03 what nobody writes to is in the snapshot to the byte, and what keeps changing is counted", async () => {
      const { engine, volume, snapshot, pod, home } = world;
      await run("bash", [
        "-c",
        `cd "$1" && mkdir -p src/deep && head -c 3000000 /dev/urandom >src/deep/quiet && ln src/deep/quiet link && printf x >$'odd\\xff\\nname'`,
        "bash",
        home,
      ]);
      const sum = await run("sha256sum", [join(home, "src/deep/quiet")]);
      await writeFile(join(home, "busy"), Buffer.alloc(20 * MIB, "x"));
      await world.write(
        'fs.appendFileSync("busy", "x"); fs.writeFileSync("come", ""); fs.unlinkSync("come");',
      );
      // On a busy machine the writer may have had no turn between the copy and the look at it.
      const changing = async () => {
        await engine.remove({ snapshot });
        return (await engine.snapshot(volume, snapshot, silent, pod)).changing;
      };
      await expect.poll(changing, { timeout: 60_000 }).toBeGreaterThan(0);
      await world.rest();
      const use = await engine.snapshot(volume, snapshot, silent, pod);
      expect(use.files).toBeGreaterThanOrEqual(5);
      expect((await world.inSnapshot("sha256sum src/deep/quiet link")).split(/\s+/)[0]).toBe(
        sum.stdout.split(" ")[0],
      );
      expect(await world.inSnapshot("cat odd*")).toBe("x");
      expect(await world.inSnapshot("tr -d x <busy | wc -c")).toBe("0\n");
      // Nobody writes any more, and asking again is the same snapshot.
      expect(await engine.snapshot(volume, snapshot, silent, pod)).toEqual(use);
      await engine.remove({ snapshot });
      expect(await engine.snapshot(volume, snapshot, silent, pod)).toMatchObject({ changing: 0 });
      const target = newId();
      await engine.restore(snapshot, target, 64 * MIB, silent);
      await engine.remove({ disk: target });
    });

    test("a pod that ends meanwhile, or that has another disk, is no source, and is not held up", async () => {
      const { engine, driver, volume, snapshot, pod, home } = world;
      const other = newId();
      await engine.create(other, 32 * MIB);
      await expect(engine.snapshot(other, snapshot, silent, pod)).rejects.toThrow("is not running");
      await engine.remove({ disk: other });
      await writeFile(join(home, "file"), "text");
      // All is made by then, and nothing of it counts yet.
      const confirm = () => driver.terminate(pod);
      const late = engine.snapshot(
        volume,
        snapshot,
        Object.assign(() => undefined, { confirm }),
        pod,
      );
      await expect(late).rejects.toThrow("the pod that has the disk has ended");
      expect(await engine.list()).toMatchObject({ disks: [volume], snapshots: [], halfMade: [] });
      await expect(engine.snapshot(volume, snapshot, silent, pod)).rejects.toThrow("is not running");
      expect(await engine.snapshot(volume, snapshot, silent)).toMatchObject({ files: expect.any(Number) });
    });
  });
});

describe.skipIf(noXfs !== undefined)(
  `an image on a file system that shares blocks (${noXfs ?? "xfs"})`,
  () => {
    let medium: Medium;
    let world: InUse;
    beforeEach(async () => {
      const mounted = mountMedium("xfs");
      if (typeof mounted === "string") throw new Error(mounted);
      medium = mounted;
      world = await InUse.begin("namespaces", medium.directory);
    });
    afterEach(async () => {
      await world.end();
      medium.unmount();
    });

    test("D-03 the snapshot is as of one instant, while the pod goes on", async () => {
      const { engine, volume, snapshot, pod } = world;
      await world.write('fs.appendFileSync("first", "x\\n"); fs.appendFileSync("second", "x\\n");');
      const size = async () => (await readFile(join(world.home, "first"), { flag: "a+" })).length;
      await expect.poll(size, { timeout: 20_000 }).toBeGreaterThan(0);
      const use = await engine.snapshot(volume, snapshot, silent, pod);
      expect(use.changing).toBe(0);
      const [first = 0, second = 0] = (await world.inSnapshot("wc -l <first; wc -l <second"))
        .split("\n")
        .map(Number);
      expect(first).toBeGreaterThan(0);
      expect([0, 1]).toContain(first - second);
      const before = await size();
      await expect.poll(size, { timeout: 20_000 }).toBeGreaterThan(before);
    });

    test("D-03 L-05 whoever is killed while it is held still, it is not held for long", async () => {
      const { rig, volume, snapshot, pod } = world;
      await world.write('fs.appendFileSync("first", "x\\n");');
      const script = join(import.meta.dirname, "disks-to-kill.ts");
      const options = { dataDir: rig.options.dataDir, isolation: "namespaces" };
      const job = JSON.stringify({ options, verb: "snapshot", args: [volume, snapshot], pod });
      const victims: ((server: ChildProcess) => Promise<void>)[] = [
        ...[0, 40, 80, 120].map((ms) => () => pause(ms)),
        ...[0, -1].map((which) => (server: ChildProcess) => killHolder(server, which)),
      ];
      for (const [round, kill] of victims.entries()) {
        const server = spawn(process.execPath, [script, job], { stdio: ["ignore", "pipe", "ignore"] });
        onTestFinished(() => void server.kill("SIGKILL"));
        const exit = once(server, "exit");
        await once(createInterface(server.stdout), "line");
        await Promise.race([kill(server), exit]);
        server.kill("SIGKILL");
        await exit;
        const file = join(world.home, `after-${round}`);
        // It hangs for as long as the file system is held.
        await writeFile(file, "written");
        expect(await readFile(file, "utf8")).toBe("written");
      }
    });

    test("D-03 what was held still by processes that were all killed is let go when the pod is looked at, and when it is ended", async () => {
      const { rig, driver, volume, pod, home } = world;
      const mark = markOf(join(rig.options.dataDir, "disks", volume));
      const hold = async (): Promise<void> => {
        await writeFile(mark, "");
        expect((await run("fsfreeze", ["--freeze", home])).code).toBe(0);
      };
      onTestFinished(() => void spawnSync("fsfreeze", ["--unfreeze", home]));
      await hold();
      // It hangs for as long as the file system is held.
      const writing = writeFile(join(home, "after"), "written");
      const holder = spawn("flock", ["--no-fork", mark, "sh", "-c", "echo held; exec cat"], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      await once(holder.stdout, "data");
      await driver.inspect(pod);
      // Somebody holds it still, whose business it is.
      expect((await run("fsfreeze", ["--freeze", home])).stderr).toContain("busy");
      holder.stdin.end();
      await once(holder, "close");
      expect(await driver.inspect(pod)).toMatchObject({ state: "running" });
      await writing;
      await hold();
      await driver.terminate(pod);
      expect(await driver.inspect(pod)).toEqual({ state: "absent" });
    });

    test("D-03 a medium that takes no writes holds nobody up: the disk is not held still", async () => {
      const { rig, volume, home } = world;
      const image = join(rig.options.dataDir, "disks", volume, "image");
      await writeFile(join(home, "dirty"), Buffer.alloc(MIB, "x"));
      expect((await run("fsfreeze", ["--freeze", medium.directory])).code).toBe(0);
      onTestFinished(() => void spawnSync("fsfreeze", ["--unfreeze", medium.directory]));
      const mark = join(tmpdir(), `${volume}-still`);
      onTestFinished(() => rm(mark, { force: true }));
      const still = await cloneHeldStill({ home, image, to: `${image}-2`, mark }, 300);
      expect(still).toBe(false);
      await run("fsfreeze", ["--unfreeze", medium.directory]);
      // The one that waited ends by itself.
      await expect.poll(() => existsSync(mark), { timeout: 60_000 }).toBe(false);
      await writeFile(join(home, "after"), "written");
    });

    /** Of those that hold the disk still, as soon as one is seen; none when the server is done before. */
    async function killHolder(server: ChildProcess, which: number): Promise<void> {
      while (server.exitCode === null) {
        const holder = processesNaming(world.home).at(which);
        if (holder !== undefined) return killIfThere(holder);
        await pause(1);
      }
    }
  },
);

describe.each(["xfs", "btrfs"] as const satisfies Kind[])("disks on %s", (kind) => {
  const lacking = lacks(kind);
  test.skipIf(lacking !== undefined)(
    `D-03 a snapshot shares the blocks of the disk, and stays as it is (${lacking ?? "reflinks"})`,
    async () => {
      const medium = mountMedium(kind);
      if (typeof medium === "string") throw new Error(medium);
      const rig = new LocalDiskRig(medium.directory, {
        dataDir: join(medium.directory, "data"),
        isolation: "processes",
      });
      const engine = await createLocalDisks(rig.options);
      const [disk, snapshot, target] = [newId(), newId(), newId()];
      await engine.create(disk, 200 * MIB);
      await rig.onDisk(disk, "head -c 60000000 /dev/urandom >file; sync -f file");
      const sum = (await rig.onDisk(disk, "sha256sum file")).stdout;
      const used = async () =>
        Number((await run("df", ["-B1", "--output=used", medium.directory])).stdout.split("\n")[1]);
      const before = await used();
      await engine.snapshot(disk, snapshot, silent);
      await engine.restore(snapshot, target, 200 * MIB, silent);
      // Two more names for 60 MB of blocks.
      expect((await used()) - before).toBeLessThan(20e6);
      const extents = await run("filefrag", ["-v", join(rig.snapshot(snapshot), "home", "file")]);
      expect(extents.stdout).toContain("shared");
      await rig.onDisk(disk, "head -c 1000000 /dev/zero >file");
      expect((await rig.inSnapshot(snapshot, "sha256sum file")).stdout).toBe(sum);
      expect((await rig.onDisk(target, "sha256sum file")).stdout).toBe(sum);
      expect(await readdir(join(medium.directory, "data", "quarantine"))).toEqual([]);
      medium.unmount();
    },
  );
});

test.skipIf(noXfs !== undefined)(
  `a copy of what a pod writes to shares no blocks: one that does not fit is refused (${noXfs ?? "xfs"})`,
  async () => {
    const medium = mountMedium("xfs");
    if (typeof medium === "string") throw new Error(medium);
    onTestFinished(() => medium.unmount());
    const rig = new LocalDiskRig(medium.directory, {
      dataDir: join(medium.directory, "data"),
      isolation: "processes",
      podsElsewhere: true,
    });
    const engine = await createLocalDisks(rig.options);
    const [disk, snapshot] = [newId(), newId()];
    await engine.create(disk, 200 * MIB);
    await rig.onDisk(disk, "head -c 60000000 /dev/urandom >file; sync -f file");
    const filler = join(medium.directory, "filler");
    await run("fallocate", ["--length", String((await engine.room()) - 20 * MIB), filler]);
    const refused = engine.snapshot(disk, snapshot, silent, "its pod");
    await expect(refused).rejects.toThrow(/^a copy does not fit: /);
    // Nobody writes to it: its blocks are shared.
    expect(await engine.snapshot(disk, snapshot, silent)).toMatchObject({ files: 1 });
  },
);
