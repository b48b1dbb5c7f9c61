/** The user's end of a tunnel: a WebSocket to the gateway on one side, stdin and stdout on the other. */
import type { Readable, Writable } from "node:stream";
import { type Clock, realClock, within } from "./clock.ts";
import { dial, type PodPort } from "./dial.ts";
import { type Server, TunnelFailure } from "./failure.ts";
import { oneLine } from "./frames.ts";
import { type Ending, Pipe, type Wire } from "./pipe.ts";

/** What ssh takes as "the connection failed". */
const FAILED = 255;
/** After the end of stdin, a tunnel in which nothing moves for so long is given up: its user is gone (T-13). */
const PATIENCE_MS = 900;
/** A gateway that reads has our `bye` by then; one that does not would keep us. */
const LEAVE_MS = 100;

export interface TunnelOptions {
  readonly server: Server;
  /** May still be looked up; stdin is read meanwhile. A TunnelFailure ends the tunnel with its line. */
  readonly pod: Promise<Omit<PodPort, "port">>;
  readonly port: number;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly clock?: Clock;
}

export interface TunnelEnd {
  readonly exitCode: number;
  /** One line for stderr: the cause and the next step; undefined when there is nothing to say. */
  readonly message: string | undefined;
}

const QUIET: TunnelEnd = { exitCode: 0, message: undefined };
const GIVEN_UP: TunnelEnd = { exitCode: FAILED, message: undefined };
const failed = (message: string): TunnelEnd => ({ exitCode: FAILED, message });

export class TunnelClient {
  /** Resolves when the tunnel is over and all that was received is written out; never rejects for a failed tunnel. */
  readonly done: Promise<TunnelEnd>;
  readonly #options: TunnelOptions;
  readonly #clock: Clock;
  readonly #pipe: Pipe;
  readonly #abort = new AbortController();
  #stdinEnded = false;
  #cancelPatience: (() => void) | undefined;
  #giveUp: (end: TunnelEnd) => void = () => undefined;

  /** Reads stdin and dials from now on. */
  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    const givenUp = new Promise<TunnelEnd>((resolve) => {
      this.#giveUp = resolve;
    });
    this.#pipe = new Pipe({
      role: "client",
      source: options.stdin,
      sink: options.stdout,
      clock: this.#clock,
      onProgress: () => this.#wait(),
      onSourceEnd: () => {
        this.#stdinEnded = true;
        this.#wait();
      },
    });
    this.done = Promise.race([this.#run(), givenUp]).finally(() => this.#release());
  }

  /** Says goodbye and ends at once: for SIGTERM and SIGHUP. Nothing waits for the network. */
  hangUp(): void {
    this.#pipe.bye("hangup", "the client was told to end");
    this.#giveUp(GIVEN_UP);
  }

  async #run(): Promise<TunnelEnd> {
    try {
      // A reader that leaves ends the tunnel before it is open, too.
      await Promise.race([this.#open(), this.#pipe.ended]);
      return await this.#over();
    } catch (error) {
      if (error instanceof TunnelFailure) return failed(error.message);
      throw error;
    }
  }

  async #open(): Promise<void> {
    const { server, port } = this.#options;
    const pod = await this.#options.pod;
    const attach = (wire: Wire): void => {
      this.#pipe.attach(wire);
      this.#wait();
    };
    await dial(server, { ...pod, port }, attach, this.#abort.signal);
  }

  async #over(): Promise<TunnelEnd> {
    const ending = await this.#pipe.ended;
    await this.#pipe.drained();
    await within(this.#clock, LEAVE_MS, this.#pipe.left());
    return this.#meaning(ending);
  }

  #meaning(ending: Ending): TunnelEnd {
    const { host } = new URL(this.#options.server.url);
    switch (ending.kind) {
      case "delivered":
        return QUIET;
      case "unwanted":
        return isGone(ending.error) ? QUIET : failed(`the output cannot be written: ${ending.error.message}`);
      case "bye":
        return failed(oneLine(`the server ended the tunnel: ${ending.text} (${ending.code})`));
      case "said":
        return ending.code === "hangup"
          ? GIVEN_UP
          : failed(`the tunnel through ${host} failed: ${ending.text}`);
      case "broken":
        return failed(`the connection to ${host} was lost: ${ending.text}; connect again`);
    }
  }

  /** Starts the patience anew, once stdin has ended. Bytes that a slow reader has yet to take are no reason to go. */
  #wait(): void {
    if (!this.#stdinEnded) return;
    this.#cancelPatience?.();
    this.#cancelPatience = this.#clock.after(PATIENCE_MS, () => {
      if (this.#pipe.waiting > 0) this.#wait();
      else this.#giveUp(GIVEN_UP);
    });
  }

  #release(): void {
    this.#stdinEnded = false;
    this.#cancelPatience?.();
    this.#pipe.bye("hangup", "the client has ended");
    this.#abort.abort();
    this.#pipe.terminate();
  }
}

const isGone = (error: Error & { code?: string }): boolean =>
  error.code === "EPIPE" || error.code === "ECONNRESET" || error.code === "ERR_STREAM_DESTROYED";
