/** Runs other programs: ssh with our terminal, ssh-keygen with what it prints. */
import { type StdioOptions, spawn } from "node:child_process";
import { constants } from "node:os";
import type { RunProgram } from "./context.ts";

const STDIO = {
  inherit: "inherit",
  capture: ["ignore", "pipe", "pipe"],
  talk: ["inherit", 2, 2],
} as const satisfies Record<string, StdioOptions>;

export const runProgram: RunProgram = (command, args, stdio, env) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: STDIO[stdio],
      ...(env === undefined ? {} : { env }),
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      // As a shell says it: 128 and the number of the signal.
      resolve({ code: code ?? 128 + (signal ? constants.signals[signal] : 0), ...output });
    });
  });
