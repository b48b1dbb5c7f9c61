/** The user's end of a tunnel: a WebSocket to the gateway on one side, stdin and stdout on the other. */
import type { Readable, Writable } from "node:stream";
import { type Clock, realClock, within } from "./clock.ts";
import type { Opened, PodPort } from "./dial.ts";
import { type Server, TunnelFailure } from "./failure.ts";
import { oneLine } from "./frames.ts";
import { Line } from "./line.ts";
import { type Ending, Pipe } from "./pipe.ts";
import { realSurroundings, type Surroundings, watchSurroundings } from "./surroundings.ts";
import type { Trace } from "./trace.ts";

/** What ssh takes as "the connection failed". */
const FAILED = 255;
/** After the end of stdin, a tunnel in which nothing moves for so long is given up: its user is gone (T-13). */
const PATIENCE_MS = 900;
/** A gateway that reads has our `bye` by then; one that does not would keep us. */
const LEAVE_MS = 100;
/** A connection that lasted so long was a good one, though nothing may have moved. */
const HELD_MS = 10_000;

export interface TunnelOptions {
  /** Asked at each dial. Throws TunnelFailure when there is none. */
  readonly server: () => Server;
  /** Looked up while stdin is read already, again and again if need be. A TunnelFailure ends the tunnel with its line. */
  readonly pod: () => Promise<Omit<PodPort, "port">>;
  readonly port: number;
  readonly stdin: Readable;
  readonly stdout: Writable;
  /**
   * True for a forwarded port, whose stdin and stdout are one socket: the end of either stream is passed on, and the other
   * goes on for as long as it likes. Otherwise the end of the pod's stream is the end, and so is silence after that of stdin.
   */
  readonly forward?: boolean;
  /** False for what may pass but is not worth waiting for. */
  readonly worthWaiting?: (failure: TunnelFailure) => boolean;
  /** How long a set-up waits for what may pass; unless told 30 s, or 5 minutes while the reservation is being prepared. */
  readonly setUpMs?: number | undefined;
  /** What the set-up waits for, one line each. */
  readonly onWait?: (why: string) => void;
  /** Told of every step; undefined costs nothing. */
  readonly trace?: Trace | undefined;
  readonly clock?: Clock;
  readonly surroundings?: Surroundings;
}

export interface TunnelEnd {
  readonly exitCode: number;
  /** One line for stderr: the cause and the next step; undefined when there is nothing to say. */
  readonly message: string | undefined;
  /** The server's code for it, where it was the server that ended or refused the tunnel. */
  readonly code?: string | undefined;
}

const QUIET: TunnelEnd = { exitCode: 0, message: undefined };
const GIVEN_UP: TunnelEnd = { exitCode: FAILED, message: undefined };
const failed = (message: string, code?: string): TunnelEnd => ({ exitCode: FAILED, message, code });

/** One connection of the session. */
interface Connection {
  readonly localAddress: string | undefined;
  /** Until then, and while no more than `moved` has moved, it has not proved itself. */
  readonly until: number;
  readonly moved: number;
}

interface Break {
  readonly text: string;
  /** True when the connection had proved itself: then the next dial comes at once. */
  readonly held: boolean;
}

export class TunnelClient {
  /** Resolves when the tunnel is over and all that was received is written out; never rejects for a failed tunnel. */
  readonly done: Promise<TunnelEnd>;
  readonly #clock: Clock;
  readonly #trace: Trace | undefined;
  readonly #pipe: Pipe;
  readonly #line: Line;
  readonly #unwatch: () => void;
  /** Undefined while there is none. */
  #connection: Connection | undefined;
  /** Of the connection that is there, or was. */
  #broken = Promise.withResolvers<Break>();
  /** Undefined until a session is open. */
  #host: string | undefined;
  #stdinEnded = false;
  #failure: TunnelFailure | undefined;
  #cancelPatience: (() => void) | undefined;
  #giveUp: (end: TunnelEnd) => void = () => undefined;

  /** Reads stdin and dials from now on. */
  constructor(options: TunnelOptions) {
    this.#clock = options.clock ?? realClock;
    const { trace } = options;
    this.#trace = trace;
    const givenUp = new Promise<TunnelEnd>((resolve) => {
      this.#giveUp = resolve;
    });
    this.#pipe = new Pipe({
      role: options.forward ? "forward" : "client",
      source: options.stdin,
      sink: options.stdout,
      clock: this.#clock,
      onProgress: () => this.#wait(),
      onSourceEnd: () => this.#onStdinEnd(options.forward === true),
      onBreak: (text) => this.#onBreak(text),
      ...(trace && { onControl: (way, text) => trace(way, { line: text }) }),
    });
    this.#line = new Line({
      ...options,
      clock: this.#clock,
      received: () => this.#pipe.received,
      onOpen: (opened) => this.#attach(opened),
      mayWait: () => !this.#stdinEnded,
      onWait: (why) => this.#host ?? options.onWait?.(why),
    });
    this.#unwatch = watchSurroundings(options.surroundings ?? realSurroundings, this.#clock, {
      onWake: () => this.#redial("the computer slept"),
      onMove: (gone) => this.#onMove(gone),
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
      await Promise.race([this.#stayConnected(), this.#pipe.ended]);
    } catch (error) {
      if (!(error instanceof TunnelFailure)) throw error;
      this.#failure = error;
      this.#pipe.lose(error.message);
    }
    return this.#over();
  }

  async #stayConnected(): Promise<never> {
    for (await this.#line.open(); ; ) await this.#resume(await this.#broken.promise);
  }

  async #resume({ text, held }: Break): Promise<void> {
    try {
      await this.#line.resume(held);
    } catch (error) {
      if (!(error instanceof TunnelFailure)) throw error;
      if (error.prospect.refused) throw error;
      const what = `the connection to ${this.#host} was lost (${text}) and did not come back`;
      throw new TunnelFailure(oneLine(`${what}: ${error.message}; connect again`), { cause: error });
    }
  }

  #attach({ wire, received, host }: Opened): void {
    // The first one has proved itself by being admitted.
    const moved = this.#host === undefined ? -1 : this.#pipe.moved;
    this.#host = host;
    this.#connection = {
      localAddress: wire.socket.localAddress?.replace(/^::ffff:/, ""),
      until: this.#clock.now() + HELD_MS,
      moved,
    };
    this.#broken = Promise.withResolvers();
    this.#trace?.("attached", { sends_from: received, received: this.#pipe.received, window: wire.window });
    this.#pipe.attach(wire, received);
    this.#wait();
  }

  #onBreak(text: string): void {
    this.#trace?.("broken", { why: text, sent: this.#pipe.sent, received: this.#pipe.received });
    const { until, moved } = this.#connection as Connection;
    this.#connection = undefined;
    this.#broken.resolve({ text, held: this.#pipe.moved > moved || this.#clock.now() >= until });
    this.#wait();
  }

  /** What was connected before is dead, or may be: nobody waits for a minute of silence to tell. */
  #redial(why: string): void {
    this.#trace?.("redial", { why });
    if (this.#connection) this.#connection = { ...this.#connection, moved: -1 };
    else this.#line.restart();
    this.#pipe.drop(why);
  }

  #onMove(gone: ReadonlySet<string>): void {
    const { localAddress } = this.#connection ?? {};
    if (!this.#connection || (localAddress !== undefined && gone.has(localAddress)))
      this.#redial("this computer moved to another network");
  }

  #onStdinEnd(isForward: boolean): void {
    this.#trace?.("stdin-ended", { sent: this.#pipe.sent });
    if (isForward) return;
    this.#stdinEnded = true;
    this.#line.hurry();
    this.#wait();
  }

  async #over(): Promise<TunnelEnd> {
    const ending = await this.#pipe.ended;
    this.#trace?.("over", {
      ...ending,
      error: undefined,
      sent: this.#pipe.sent,
      received: this.#pipe.received,
    });
    await this.#pipe.drained();
    await within(this.#clock, LEAVE_MS, this.#pipe.left());
    return this.#meaning(ending);
  }

  #meaning(ending: Ending): TunnelEnd {
    switch (ending.kind) {
      case "delivered":
        return QUIET;
      case "unwanted":
        return isGone(ending.error) ? QUIET : failed(`the output cannot be written: ${ending.error.message}`);
      case "bye":
        return failed(oneLine(`the server ended the tunnel: ${ending.text} (${ending.code})`), ending.code);
      case "said":
        return ending.code === "hangup"
          ? GIVEN_UP
          : failed(`the tunnel through ${this.#host} failed: ${ending.text}`);
      case "lost":
        // Of a tunnel that was open, nobody is there any more to be told.
        if (this.#stdinEnded && this.#host !== undefined) return GIVEN_UP;
        return failed(ending.text, this.#failure?.prospect.code);
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
    this.#unwatch();
    this.#line.close();
    this.#pipe.terminate();
  }
}

const isGone = (error: Error & { code?: string }): boolean =>
  error.code === "EPIPE" || error.code === "ECONNRESET" || error.code === "ERR_STREAM_DESTROYED";
