/** nvidia-smi, which on a machine with a failing GPU may hang, deaf to SIGTERM or in the kernel even to SIGKILL. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SEARCH_PATH } from "./pod-dir.ts";

const LIMIT_MS = 30_000;

const start = (command: string, args: readonly string[]) =>
  promisify(execFile)(command, args, { env: { PATH: SEARCH_PATH } });

export class Smi {
  readonly #command: string;
  readonly #limitMs: number;
  /** Processes that were told to end and have not. */
  #stuck = 0;

  constructor(command: string, limitMs = LIMIT_MS) {
    this.#command = command;
    this.#limitMs = limitMs;
  }

  /** What it prints, within the limit. Throws what execFile throws; also while one that hung before is still there. */
  async run(args: readonly string[]): Promise<string> {
    if (this.#stuck > 0) throw new Error("it hung, and could not be ended yet");
    const answer = start(this.#command, args);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#giveUp(answer);
      late.reject(new Error(`no answer within ${this.#limitMs / 1000} s`));
    }, this.#limitMs);
    try {
      return (await Promise.race([answer, late.promise])).stdout;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The exit is not waited for: it may never come. */
  #giveUp(answer: ReturnType<typeof start>): void {
    const { child } = answer;
    this.#stuck += 1;
    const ended = () => {
      this.#stuck -= 1;
    };
    answer.then(ended, ended);
    child.kill("SIGKILL");
    // A child of its own may hold these open; and the server need not outlive it.
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
  }
}
