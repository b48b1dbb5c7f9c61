import { ChildProcess } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Smi } from "../../src/drivers/local/smi.ts";
import { temporaryDirectory } from "./ssh.ts";

let dir: string;
let command: string;
beforeEach(async () => {
  dir = await temporaryDirectory();
  command = join(dir, "nvidia-smi");
});
afterEach(() => rm(dir, { recursive: true }));

const script = (text: string) => writeFile(command, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
/** It is asked again once the old one is gone. */
const untilWorks = (smi: Smi) =>
  expect
    .poll(() => smi.run(["x"]).catch((error: Error) => error.message), { timeout: 20_000 })
    .toBe("works x\n");

test("one that hangs, deaf to SIGTERM and with a child that holds its output, is given up and ended", async () => {
  await script("trap '' TERM\nwhile :; do sleep 0.2; done");
  const smi = new Smi(command, 300);
  await expect(smi.run([])).rejects.toThrow("no answer within 0.3 s");
  await script('echo "works $1"');
  await untilWorks(smi);
});

test("while one cannot be ended no other is started", async () => {
  const pids = join(dir, "pids");
  await script(`echo $$ >>${pids}\nexec sleep 1000`);
  // As when it hangs in the kernel.
  const kill = vi.spyOn(ChildProcess.prototype, "kill").mockReturnValue(false);
  const smi = new Smi(command, 300);
  await expect(smi.run([])).rejects.toThrow("no answer");
  expect(kill).toHaveBeenCalledWith("SIGKILL");
  kill.mockRestore();
  const started = async () => (await readFile(pids, "utf8").catch(() => "")).split("\n").filter(Boolean);
  await expect.poll(started, { timeout: 20_000 }).toHaveLength(1);
  await expect(smi.run([])).rejects.toThrow("could not be ended yet");
  expect(await started()).toHaveLength(1);
  await script('echo "works $1"');
  process.kill(Number((await started())[0]), "SIGKILL");
  await untilWorks(smi);
});
