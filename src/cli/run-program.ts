/** Runs other programs: ssh with our terminal, ssh-keygen with what it prints. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { Socket } from "node:net";
import { constants } from "node:os";
import { EXIT } from "../api/errors.ts";
import type { RunProgram } from "./context.ts";
import { CliError } from "./errors.ts";

const STDIO = {
  inherit: "inherit",
  capture: ["ignore", "pipe", "pipe"],
  talk: ["inherit", 2, 2],
  detach: ["ignore", "pipe", "pipe", "pipe"],
} as const satisfies Record<string, StdioOptions>;

/** Characters of captured output; more is no document that anybody wants. */
const MAX_OUTPUT = 16 * 1024 * 1024;

/** What has not said by then that it is ready is ended. */
const READY_MS = 60_000;

const notReady = (): CliError =>
  new CliError("still_pending", EXIT.pending, `it was not ready within ${READY_MS / 1000} s, and was ended`, {
    hint: "`gpu-dev doctor` looks at each step of the way.",
  });

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
      detached: stdio === "detach",
      windowsHide: stdio === "detach",
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
    if (stdio === "detach") whenReady(child, reject, (line) => resolve({ ...output, code: 0, stdout: line }));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      // As a shell says it: 128 and the number of the signal.
      resolve({ code: code ?? 128 + (signal ? constants.signals[signal] : 0), ...output });
    });
  });

/** Lets it go its own way as soon as it says that it is ready; kills it when it does not. */
function whenReady(child: ChildProcess, reject: (error: Error) => void, ready: (line: string) => void): void {
  const gate = child.stdio[3];
  if (!(gate instanceof Socket)) throw new TypeError("file descriptor 3 is a pipe");
  const late = setTimeout(() => {
    reject(notReady());
    child.kill();
  }, READY_MS);
  child.on("close", () => clearTimeout(late));
  let said = "";
  gate.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (!said.includes("\n")) return;
    clearTimeout(late);
    ready(said);
    for (const stream of child.stdio) stream?.destroy();
    child.unref();
  });
}
