/**
 * The line to the first process of a pod, kept by who launched it until the pod is changed for the first time, which is when its time
 * begins to count: what is told there costs the engine no process, and a user no time. A pod without it is told by a process of its own.
 */
import type { Duplex } from "node:stream";
import { DriverError } from "../driver.ts";
import type { Ended } from "./exec.ts";
import { telling } from "./script.ts";

/** How the first process says what became of what it was told; in front of the status, in a line without a number, which no log shows. */
export const TOLD = "told";

const ANSWER = new RegExp(`^${TOLD} (\\d+) (.*)$`, "m");
const PATIENCE_MS = 20_000;
const MOST_SAID = 4096;

export class InitLine {
  readonly #stream: Duplex;

  /** `stream` is one to the first process, which it listens to. */
  constructor(stream: Duplex) {
    this.#stream = stream;
    // What the pod logs meanwhile goes by.
    stream.resume();
    // The stream to a pod that is dead ends, and could be written to for ever.
    stream.once("end", () => this.cut());
  }

  /** Told when it is cut, by whomever. */
  whenCut(then: () => void): void {
    this.#stream.once("close", then);
  }

  /** How the script ended; undefined when the line was cut before that was said. Throws DriverError when nothing is said. */
  async tell(script: string): Promise<Ended | undefined> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    const { promise, resolve } = Promise.withResolvers<RegExpExecArray | null>();
    let said = "";
    this.#stream.on("data", (bytes: Buffer) => {
      said = (said + String(bytes)).slice(-MOST_SAID);
      const answer = ANSWER.exec(said);
      if (answer) resolve(answer);
    });
    this.whenCut(() => resolve(null));
    late.addEventListener("abort", () => this.cut());
    if (this.#stream.destroyed) return undefined;
    this.#stream.write(telling(script));
    const answer = await promise;
    if (late.aborted) throw new DriverError("the first process of the pod does not answer");
    return answer ? { code: Number(answer[1]), stdout: "", stderr: answer[2] ?? "" } : undefined;
  }

  /** From here on the first process waits for nobody. */
  cut(): void {
    this.#stream.destroy();
  }
}

/** Longer than a launch and its first login take; a pod that another server goes on with would be held for as long as it lives. */
const HELD_MS = 60_000;

/** Those of the pods that this server has launched lately, by name. */
export class InitLines {
  readonly #lines = new Map<string, InitLine>();

  hold(pod: string, line: InitLine): void {
    this.take(pod)?.cut();
    this.#lines.set(pod, line);
    const late = setTimeout(() => line.cut(), HELD_MS).unref();
    line.whenCut(() => {
      clearTimeout(late);
      if (this.#lines.get(pod) === line) this.#lines.delete(pod);
    });
  }

  /** Whether it lives and can be logged in to, without asking anybody: the line ends with it. */
  has(pod: string): boolean {
    return this.#lines.has(pod);
  }

  /** It is the caller's now. */
  take(pod: string): InitLine | undefined {
    const line = this.#lines.get(pod);
    this.#lines.delete(pod);
    return line;
  }

  cutAll(): void {
    for (const line of this.#lines.values()) line.cut();
  }
}
