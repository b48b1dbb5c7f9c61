/** The built command, typed as a user would. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment } from "./server-process.ts";

const cli = join(import.meta.dirname, "..", "..", "bin", "gpu-dev.js");

export interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end with `input` on stdin. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd?: string; input?: string | Buffer },
): Promise<Done> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: options.env, ...(options.cwd ? { cwd: options.cwd } : {}) });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk) => out.push(chunk));
    child.stderr.on("data", (chunk) => err.push(chunk));
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    child.stdin.end(options.input ?? "");
  });
}

/** `gpu-dev ARGS` for somebody whose files are all in `home`. */
export const gpuDev = (home: string, args: readonly string[], input?: string | Buffer): Promise<Done> =>
  runProgram(process.execPath, [cli, ...args], {
    env: environment(home),
    ...(input === undefined ? {} : { input }),
  });

/** Plain OpenSSH programs with the configuration that the CLI wrote into `home`. */
export const openssh = (
  home: string,
  program: "ssh" | "scp" | "sftp",
  args: readonly string[],
  input?: string | Buffer,
): Promise<Done> =>
  runProgram(program, ["-F", join(home, "ssh_config"), ...args], {
    env: environment(home),
    ...(input === undefined ? {} : { input }),
  });

/** A fresh home with a short path (a control socket's path has to fit into 108 characters), and its removal. */
export function temporaryHome(): { home: string; remove(): void } {
  const home = mkdtempSync(join(tmpdir(), "gd-"));
  return { home, remove: () => rmSync(home, { recursive: true, force: true }) };
}
