/** The local driver under the contract, and under its own faults. */
import { mkdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Driver, PodSpec } from "../../src/drivers/driver.ts";
import { exists } from "../../src/drivers/local/pod-dir.ts";
import { processesOf } from "../../src/drivers/local/process-table.ts";
import { createLocalDriver, type LocalDriverOptions } from "../../src/drivers/local.ts";
import type { Rig } from "./contract.ts";
import { killServer } from "./killed-server.ts";
import { run, temporaryDirectory } from "./ssh.ts";

export class LocalRig implements Rig {
  readonly options: LocalDriverOptions;
  readonly logged: string[] = [];
  readonly base: string;

  private constructor(
    base: string,
    isolation: "namespaces" | "processes",
    more: Partial<LocalDriverOptions>,
  ) {
    this.base = base;
    this.options = {
      // What a path may be made of, a shell and sshd would trip over.
      dataDir: join(base, `data, of:the 'server' %h "x"`),
      deploymentId: "test",
      isolation,
      simulate: [{ gpuType: "h100", count: 8 }],
      nvidiaSmi: join(base, "no-such-nvidia-smi"),
      log: (fields, message) => this.logged.push(`${message} ${JSON.stringify(fields)}`),
      ...more,
    };
  }

  static async make(
    isolation: "namespaces" | "processes",
    more: Partial<LocalDriverOptions> = {},
    parent?: string,
  ): Promise<LocalRig> {
    return new LocalRig(await temporaryDirectory(parent), isolation, more);
  }

  open(): Promise<Driver> {
    return createLocalDriver(this.options);
  }

  dir(name: string): string {
    return join(this.options.dataDir, "pods", name);
  }

  /** The pod's own listeners: in namespaces and in processes there is one to a pod. */
  async running(name: string): Promise<number> {
    const commands = await Promise.all((await processesOf(this.dir(name))).map(commandOf));
    return commands.filter((command) => command.includes("[listener]")).length;
  }

  async remains(name: string): Promise<string[]> {
    const dir = this.dir(name);
    const processes = await processesOf(dir);
    const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n");
    return [
      ...(await Promise.all(processes.map(commandOf))),
      ...mounts.filter((line) => line.includes(name)),
      ...((await exists(dir)) ? [dir] : []),
    ];
  }

  async kill(name: string): Promise<void> {
    process.kill(await this.claim(name), "SIGKILL");
  }

  /** The pid of the process that the pod hangs on. */
  async claim(name: string): Promise<number> {
    return Number(await readFile(join(this.dir(name), "control", "claim"), "utf8"));
  }

  /** A directory in the place of a file cannot be read, not even by root. */
  async breakAsking(name: string): Promise<() => Promise<void>> {
    const file = join(this.dir(name), "control", "claim");
    await rename(file, `${file}.away`);
    await mkdir(file);
    return async () => {
      await rmdir(file);
      await rename(`${file}.away`, file);
    };
  }

  /** A server of its own that does one thing and is killed after `killAfterMs`. */
  killedServer(act: "launch" | "terminate", spec: PodSpec, killAfterMs: number): Promise<void> {
    const { log: _log, ...local } = this.options;
    return killServer({ act, spec, options: { local } }, killAfterMs);
  }

  /** Ends all pods that are left, and says what still remains of them. */
  async sweep(driver: Driver): Promise<string[]> {
    const names = (await driver.list()).pods;
    for (const name of names) await driver.terminate(name);
    await driver.close();
    return (await Promise.all(names.map((name) => this.remains(name)))).flat();
  }

  async close(): Promise<void> {
    await rm(this.base, { recursive: true });
  }
}

const commandOf = async (pid: number): Promise<string> =>
  (await run("ps", ["-o", "args=", "-p", String(pid)])).stdout.trim();
