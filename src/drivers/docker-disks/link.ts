/** A server's end of the talk with one agent: calls, each with its answer, until the agent is gone. */
import type { Readable, Writable } from "node:stream";
import { DiskRefused, type Progress } from "../disks.ts";
import { DriverError, LaunchRefused } from "../driver.ts";
import { HERE_MS, whenSilent } from "../local-disks/silence.ts";
import {
  AGENT_ITSELF,
  type Answer,
  type Arguments,
  type Asked,
  HERE,
  lineOf,
  type Said,
  type Verb,
} from "./protocol.ts";

/** The streams of an agent that runs. */
export interface AgentStreams {
  /** Ending it ends the agent. */
  readonly input: Writable;
  readonly output: Readable;
  /** What it said last when it ended without being told to; for the error. */
  readonly said: () => string;
}

interface Pending {
  readonly progress: Progress | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Why the server did not agree, which is what its caller is told. */
  refusal?: unknown;
}

/** Its machine may be busy. */
const DEAF_MS = 30_000;

const FAULTS = { now: DriverError, refused: DiskRefused, launch: LaunchRefused } as const;

export class AgentLink {
  readonly #streams: AgentStreams;
  readonly #calls = new Map<number, Pending>();
  readonly #stops: (() => void)[] = [];
  #last = 0;
  /** Why nothing can be asked of it any more. */
  #over: Error | undefined;

  constructor(streams: AgentStreams) {
    this.#streams = streams;
    const { input, output } = streams;
    const here = setInterval(() => input.write(HERE), HERE_MS);
    this.#stops.push(() => clearInterval(here));
    this.#stops.push(whenSilent(output, DEAF_MS, () => output.destroy(new Error("it is silent"))));
    input.on("error", () => undefined);
    this.#listen();
  }

  get open(): boolean {
    return this.#over === undefined;
  }

  /** Calls that are not answered yet. */
  get pending(): number {
    return this.#calls.size;
  }

  /** Rejects as the engine there does; with DriverError when the agent is gone, and with what the signal or `confirm` of the progress say. */
  async ask<V extends Verb>(verb: V, args: Arguments<V>, progress?: Progress): Promise<Answer<V>> {
    progress?.signal?.throwIfAborted();
    if (this.#over) throw this.#over;
    const id = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call: Pending = { progress, resolve, reject };
    this.#calls.set(id, call);
    const stop = () => this.#tell({ id, stop: true });
    progress?.signal?.addEventListener("abort", stop);
    this.#tell({ id, verb, args });
    try {
      return (await promise) as Answer<V>;
    } catch (error) {
      progress?.signal?.throwIfAborted();
      throw "refusal" in call ? call.refusal : error;
    } finally {
      progress?.signal?.removeEventListener("abort", stop);
      this.#calls.delete(id);
    }
  }

  /** Ends the agent; what it works on is broken off. */
  end(): void {
    this.#close(new DriverError("the work on disks was stopped"));
  }

  #tell(message: Asked): void {
    this.#streams.input.write(lineOf(message));
  }

  #listen(): void {
    const { output, said } = this.#streams;
    let [rest, fault] = ["", ""];
    output.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line !== "") this.#read(line);
    });
    output.on("error", ({ message }) => {
      fault = message;
    });
    output.on("close", () => {
      const words = said() || fault;
      this.#close(new DriverError(`the agent that works on disks ended${words && `: ${words}`}`));
    });
  }

  /** What is no message ends the talk: a host may say anything, and the server goes on. */
  #read(line: string): void {
    const said = messageIn(line);
    if (said) this.#hear(said);
    else this.#streams.output.destroy(new Error("what it said is no message"));
  }

  #hear(said: Said): void {
    if (said.id === AGENT_ITSELF && "fault" in said) this.#close(new DriverError(said.words));
    const call = this.#calls.get(said.id);
    if (!call) return;
    if ("done" in said) call.progress?.(said.done, said.total);
    else if ("made" in said) void this.#agree(said.id, call);
    else if ("fault" in said) call.reject(new FAULTS[said.fault](said.words));
    else call.resolve(said.answer);
  }

  async #agree(id: number, call: Pending): Promise<void> {
    try {
      call.progress?.signal?.throwIfAborted();
      await call.progress?.confirm?.();
      this.#tell({ id, agreed: true });
    } catch (error) {
      call.refusal = error;
      this.#tell({ id, agreed: false });
    }
  }

  #close(why: Error): void {
    if (this.#over) return;
    this.#over = why;
    for (const stop of this.#stops) stop();
    this.#streams.input.end();
    this.#streams.output.destroy();
    for (const call of this.#calls.values()) call.reject(why);
  }
}

function messageIn(line: string): Said | undefined {
  try {
    const said: Partial<Said> | null = JSON.parse(line);
    return typeof said?.id === "number" ? (said as Said) : undefined;
  } catch {
    // Cut, or of somebody else.
    return undefined;
  }
}
