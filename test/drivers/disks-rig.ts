/** The local disk engine under the contract, and under its own faults. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { DiskEngine } from "../../src/drivers/disks.ts";
import type { LocalDisksOptions } from "../../src/drivers/local-disks/limits.ts";
import { createLocalDisks } from "../../src/drivers/local-disks.ts";
import type { DiskRig } from "./disks-contract.ts";
import { type Result, run, temporaryDirectory } from "./ssh.ts";

/** In namespaces of its own, with the image mounted if there is one. */
const AMONG_FILES = `set -e; cd "$1"; if [ -e image ]; then mount -o loop image mnt; cd mnt; fi; cd home; eval "$2"`;

export class LocalDiskRig implements DiskRig {
  readonly options: LocalDisksOptions;
  readonly base: string;

  constructor(base: string, options: LocalDisksOptions) {
    this.base = base;
    this.options = options;
  }

  static async make(isolation: "namespaces" | "processes", parent?: string): Promise<LocalDiskRig> {
    const base = await temporaryDirectory(parent);
    // What a path may be made of, a shell would trip over.
    const dataDir = join(base, `data, of:the 'server' %h "x"`);
    await mkdir(dataDir);
    return new LocalDiskRig(base, { dataDir, isolation });
  }

  /** Without a mistake of ours, root always gets limits. */
  async open(): Promise<DiskEngine> {
    const engine = await createLocalDisks(this.options);
    expect(engine.limits).toMatchObject({ enforced: this.options.isolation === "namespaces" });
    return engine;
  }

  disk(id: string): string {
    return join(this.options.dataDir, "disks", id);
  }

  snapshot(id: string): string {
    return join(this.options.dataDir, "snapshots", id);
  }

  onDisk(disk: string, script: string): Promise<Result> {
    return among(this.disk(disk), script);
  }

  inSnapshot(snapshot: string, script: string): Promise<Result> {
    return among(this.snapshot(snapshot), script);
  }

  async hold(disk: string): Promise<() => Promise<void>> {
    const child = spawn("flock", ["--no-fork", this.disk(disk), "sh", "-c", "echo held; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    return async () => {
      child.stdin.end();
      await once(child, "close");
    };
  }

  async remains(): Promise<string[]> {
    const [mounts, loops, processes] = await Promise.all([
      readFile("/proc/self/mounts", "utf8"),
      run("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"]),
      run("ps", ["-axww", "-o", "args="]),
    ]);
    const lines = [mounts, loops.stdout, processes.stdout].flatMap((text) => text.split("\n"));
    return lines.filter((line) => line.includes(this.base));
  }

  async close(): Promise<void> {
    await rm(this.base, { recursive: true });
  }
}

const among = (volume: string, script: string): Promise<Result> =>
  run(process.getuid?.() === 0 ? "unshare" : "env", [
    ...(process.getuid?.() === 0 ? ["-m"] : []),
    ...["bash", "-c", AMONG_FILES, "bash", volume, script],
  ]);
