/** Servers, and the processes that copy for them, killed in the middle of work on disks. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import type { DiskEngine } from "../../src/drivers/disks.ts";
import { killIfThere, processesNaming } from "../helpers/processes.ts";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { newId } from "./contract.ts";
import { FINGERPRINT, MIB, ODD_FILES, silent } from "./disks-contract.ts";
import { LocalDiskRig } from "./disks-rig.ts";

const ROUNDS = process.env.GPU_DEV_SOAK === undefined ? 5 : 100;
/** A copy takes about this long here. */
const SPREAD_MS = 700;
const seed = chosenSeed();

type Verb = "create" | "snapshot" | "restore" | "clone" | "resize" | "remove";

/** A disk and a snapshot of it, which never change, and what is done beside them. */
class Story {
  readonly rig: LocalDiskRig;
  readonly dice = new Dice(seed);
  readonly disk = newId();
  readonly snapshot = newId();
  #fingerprint = "";

  constructor(rig: LocalDiskRig) {
    this.rig = rig;
  }

  async begin(): Promise<void> {
    const engine = await this.rig.open();
    await engine.create(this.disk, 48 * MIB);
    await this.rig.onDisk(this.disk, ODD_FILES);
    this.#fingerprint = (await this.rig.onDisk(this.disk, FINGERPRINT)).stdout;
    expect(this.#fingerprint).toMatch(/^[0-9a-f]{64}/);
    await engine.snapshot(this.disk, this.snapshot, silent);
  }

  /** Kills it once in the middle, looks, and does it to its end. */
  async round(): Promise<void> {
    const verb = this.dice.one<Verb>("create", "snapshot", "restore", "clone", "resize", "remove");
    const target = verb === "resize" ? this.disk : newId();
    if (verb === "remove") await (await this.rig.open()).clone(this.disk, target, 48 * MIB, silent);
    const args = this.#arguments(verb, target);
    await this.#killed(verb, args, this.dice.one("server", "worker"), this.dice.random() * SPREAD_MS);
    const engine = await this.rig.open();
    await this.#check(engine, verb, target);
    const work = engine[verb] as (...args: unknown[]) => Promise<unknown>;
    // A process of the dead server may have the disk for a moment more.
    await vi.waitFor(() => work.call(engine, ...args, silent), { timeout: 20_000, interval: 50 });
    await this.#check(engine, verb, target);
    await this.#tidy(engine, target);
  }

  #arguments(verb: Verb, target: string): unknown[] {
    const size = 48 * MIB;
    return {
      create: [target, size],
      snapshot: [this.disk, target],
      restore: [this.snapshot, target, size],
      clone: [this.disk, target, size],
      resize: [this.disk, (40 + this.dice.upTo(20)) * MIB],
      remove: [{ disk: target }],
    }[verb];
  }

  async #killed(verb: Verb, args: unknown[], victim: "server" | "worker", afterMs: number): Promise<void> {
    const script = join(import.meta.dirname, "disks-to-kill.ts");
    const job = JSON.stringify({ options: this.rig.options, verb, args });
    const server = spawn(process.execPath, [script, job], { stdio: ["ignore", "pipe", "ignore"] });
    const exit = once(server, "exit");
    await once(createInterface(server.stdout), "line");
    await Promise.race([exit, pause(afterMs)]);
    const workers = processesNaming(join(this.rig.base, "")).filter((pid) => pid !== server.pid);
    if (victim === "server") server.kill("SIGKILL");
    else for (const pid of workers) killIfThere(pid);
    await exit;
  }

  /** What was there is there to the byte, and what was being made is either whole or not there. */
  async #check(engine: DiskEngine, verb: Verb, target: string): Promise<void> {
    const { disks, snapshots } = await engine.list();
    expect(disks).toContain(this.disk);
    expect(snapshots).toContain(this.snapshot);
    expect((await this.rig.inSnapshot(this.snapshot, FINGERPRINT)).stdout).toBe(this.#fingerprint);
    for (const id of disks)
      if (id !== target || verb !== "create")
        expect((await this.rig.onDisk(id, FINGERPRINT)).stdout, verb).toBe(this.#fingerprint);
    if (snapshots.includes(target))
      expect((await this.rig.inSnapshot(target, FINGERPRINT)).stdout, verb).toBe(this.#fingerprint);
  }

  /** Afterwards there is nothing more to do. */
  async #tidy(engine: DiskEngine, target: string): Promise<void> {
    if (target !== this.disk) {
      await engine.remove({ disk: target });
      await engine.remove({ snapshot: target });
    }
    for (const name of (await engine.list()).halfMade) await engine.discardHalfMade(name);
    expect(await engine.list()).toEqual({
      disks: [this.disk],
      snapshots: [this.snapshot],
      halfMade: [],
      quarantined: [],
    });
  }
}

for (const isolation of ["namespaces", "processes"] as const)
  describe.skipIf(isolation === "namespaces" && process.getuid?.() !== 0)(isolation, () => {
    test(
      `L-04 L-05 a server or a copy killed at any instant leaves the whole or nothing (seed ${seed})`,
      async () => {
        const rig = await LocalDiskRig.make(isolation);
        const story = new Story(rig);
        await story.begin();
        for (let round = 0; round < ROUNDS; round++) await story.round();
        await expect.poll(() => rig.remains(), { timeout: 20_000 }).toEqual([]);
        await rig.close();
      },
      (ROUNDS + 2) * 30_000,
    );
  });
