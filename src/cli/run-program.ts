/** Runs other programs: ssh with our terminal, ssh-keygen with what it prints. */
import { type StdioOptions, spawn } from "node:child_process";
import { constants } from "node:os";
import { EXIT } from "../api/errors.ts";
import type { RunProgram } from "./context.ts";
import { CliError } from "./errors.ts";

const STDIO = {
  inherit: "inherit",
  capture: ["ignore", "pipe", "pipe"],
  talk: ["inherit", 2, 2],
} as const satisfies Record<string, StdioOptions>;

/** Characters of captured output; more is no document that anybody wants. */
const MAX_OUTPUT = 16 * 1024 * 1024;

const tooLong = (): CliError =>
  new CliError(
    "output_too_large",
    EXIT.error,
    "the command printed more than 16 MiB, too much for one JSON document",
    {
      hint: "Without --json it is passed on as it comes.",
    },
  );

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
        if (output[name].length <= MAX_OUTPUT) return;
        reject(tooLong());
        child.kill();
        output[name] = "";
      });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      // As a shell says it: 128 and the number of the signal.
      resolve({ code: code ?? 128 + (signal ? constants.signals[signal] : 0), ...output });
    });
  });
