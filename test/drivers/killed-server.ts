/** A server of its own that does one thing with a driver, and is killed in the middle. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { DockerDriverOptions } from "../../src/drivers/docker/open.ts";
import type { PodSpec } from "../../src/drivers/driver.ts";
import type { LocalDriverOptions } from "../../src/drivers/local.ts";

type DriverOptions =
  | { readonly local: Omit<LocalDriverOptions, "log"> }
  | { readonly docker: Omit<DockerDriverOptions, "log"> };

export interface Task {
  readonly act: "open" | "launch" | "terminate";
  readonly spec: PodSpec;
  readonly options: DriverOptions;
}

/** Killed so long after its driver is open; or, with `opening`, after it was started. */
export async function killServer(task: Task, killAfterMs: number, { opening = false } = {}): Promise<void> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "server-to-kill.ts"), JSON.stringify(task)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exit = once(child, "exit");
  if (!opening) {
    const ready = once(createInterface(child.stdout), "line");
    const [line] = await Promise.race([ready, exit.then(() => [])]);
    if (line === undefined) throw new Error(`the server ended before it could ${task.act}`);
  }
  await Promise.race([exit, new Promise((resolve) => setTimeout(resolve, killAfterMs))]);
  child.kill("SIGKILL");
  await exit;
}
