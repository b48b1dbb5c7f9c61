/**
 * The pump, the same for both ends: a WebSocket on one side, a source and a sink of bytes on the other. The WebSocket
 * may break and another take its place: each side says what it has received, and the other goes on from there.
 * Words: *received* is what came off the wire, *consumed* is what the sink has taken, *delivered* is all of it.
 */
import type { Readable, Writable } from "node:stream";
import type { Clock } from "./clock.ts";
import { ackLine, byeLine, type Control, parseControl } from "./frames.ts";
import { Inbound } from "./inbound.ts";
import { keepAlive } from "./keepalive.ts";
import { Outbound } from "./outbound.ts";
import { Stopwatch } from "./stopwatch.ts";
import type { Link } from "./websocket/link.ts";

/** How a tunnel ended, seen from this end. */
export type Ending =
  /** The peer said why: `bye`. */
  | { readonly kind: "bye"; readonly code: string; readonly text: string }
  /** This end said `bye`. */
  | { readonly kind: "said"; readonly code: string; readonly text: string }
  /** The session was given up while it had no wire. */
  | { readonly kind: "lost"; readonly text: string }
  /** Client only: the pod's stream ended, and stdout has all of it. Forward only: both streams did. */
  | { readonly kind: "delivered" }
  /** Not at the gateway: the sink takes no more. */
  | { readonly kind: "unwanted"; readonly error: Error };

export interface Wire {
  readonly ws: Link;
  /** The socket below it, to see slow bytes arrive before a whole message is there. */
  readonly socket: { readonly bytesRead?: number; readonly localAddress?: string };
  /** Bytes in flight allowed each way. */
  readonly window: number;
}

export interface PipeOptions {
  /**
   * The client ends when the pod's stream has ended and is written out, or when nobody reads it any more. The gateway
   * passes the client's end on to the pod as a half-close, and tells of a broken pod only after the bytes before it.
   * A forwarded port passes each end on, too, and is over when both have come.
   */
  readonly role: "client" | "forward" | "gateway";
  readonly source: Readable;
  readonly sink: Writable;
  readonly clock: Clock;
  /** Bytes moved, in either direction. */
  onProgress?(): void;
  onSourceEnd?(): void;
  /** The source has ended or failed; the peer is told when this has resolved. It must not reject. */
  readonly beforeEnd?: () => Promise<unknown>;
  /** How long a byte took from the wire to the sink (`up`) or from the source to the wire (`down`), now and then. */
  onEcho?(direction: "up" | "down", ms: number): void;
  /** The wire is gone without `bye`: the pipe waits for another, or for `lose`. */
  onBreak(text: string): void;
  /** A control line passed; for a trace. */
  onControl?(way: "sent" | "heard", line: string): void;
}

export class Pipe {
  /** Settles once: the first end of any kind wins. */
  readonly ended: Promise<Ending>;
  readonly #options: PipeOptions;
  readonly #outbound: Outbound;
  #inbound: Inbound | undefined;
  #wire: Wire | undefined;
  #stopPings: (() => void) | undefined;
  #settle: ((ending: Ending) => void) | undefined;
  /** Resolves when our `bye` has left; at once when none was said. */
  #left: Promise<void> = Promise.resolve();

  /** Reads the source from now on; bytes flow once a wire is attached. */
  constructor(options: PipeOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // Before the source's: for a socket that is both, this one says what it means.
    if (options.role !== "gateway") {
      options.sink.on("error", (error) => this.#leave("hangup", { kind: "unwanted", error }));
      options.source.on("error", (error) => this.bye("hangup", `the input cannot be read: ${error.message}`));
    }
    this.#outbound = new Outbound(
      options.source,
      {
        onProgress: () => options.onProgress?.(),
        onSourceEnd: () => this.#onSourceEnd(),
        ...(options.beforeEnd ? { beforeEnd: options.beforeEnd } : {}),
      },
      this.#watch("down"),
    );
  }

  /** Bytes put on the wire, wherever they got to; what was sent again counts once. */
  get sent(): number {
    return this.#outbound.sent;
  }

  /** Bytes accepted from the wire. */
  get received(): number {
    return this.#inbound?.received ?? 0;
  }

  /** Bytes received that the sink has not taken yet. */
  get waiting(): number {
    return this.#inbound?.waiting ?? 0;
  }

  /** Bytes that certainly got somewhere, in both directions together. */
  get moved(): number {
    return this.received + this.#outbound.acked;
  }

  /** True when a peer that has `received` so much can go on. */
  keeps(received: number): boolean {
    return this.#outbound.keeps(received);
  }

  /**
   * To be called in the turn in which the WebSocket opens, so that no message is missed, and only while there is no
   * other wire. The peer has `received` so much.
   */
  attach(wire: Wire, received = 0): void {
    if (!this.#settle) {
      wire.ws.terminate();
      return;
    }
    this.#wire = wire;
    this.#inbound ??= this.#receive(wire.window);
    this.#inbound.lender = wire.ws;
    wire.ws.hearBytes(this.#onBytes);
    wire.ws.on("text", this.#onText);
    // A peer that breaks the protocol is not asked again; a network that breaks is.
    wire.ws.on("fault", (error) => wire === this.#wire && this.bye("protocol", error.message));
    wire.ws.on("close", (code) => this.#onClose(wire, code));
    this.#startPings(wire);
    // The first sign of life: without one the gateway takes its answer for lost.
    if (this.#options.role !== "gateway" || this.received > 0) this.#inbound.repeatAck();
    if (!this.#outbound.attach(wire.ws, wire.window, received))
      this.bye("protocol", "the other end wants bytes that are not kept");
  }

  /** Breaks the wire, if there is one: from now on nothing more is received from it. */
  drop(text: string): void {
    if (this.#wire) this.#break(this.#wire, text);
  }

  /** Gives the session up. */
  lose(text: string): void {
    this.#end({ kind: "lost", text });
  }

  /** Ends the tunnel at once and tells the peer why. */
  bye(code: string, text: string): void {
    this.#leave(code, { kind: "said", code, text });
  }

  /** Resolves when a `bye` of ours has left this process. */
  left(): Promise<void> {
    return this.#left;
  }

  /** Closes the wire without waiting for anybody. */
  terminate(): void {
    this.#wire?.ws.terminate();
  }

  /** Resolves when the sink has taken all that was received, or failed. */
  drained(): Promise<void> {
    return this.#inbound?.drained() ?? Promise.resolve();
  }

  #startPings({ ws, socket }: Wire): void {
    const line = { ping: () => ws.ping(), bytesRead: () => socket.bytesRead ?? this.received };
    this.#stopPings = keepAlive(line, this.#options.clock, () =>
      this.drop("nothing was heard from the other end for 60 s"),
    );
  }

  #receive(window: number): Inbound {
    const { sink, clock } = this.#options;
    const events = {
      onAck: (consumed: number) => this.#say(ackLine(consumed)),
      onProgress: () => this.#options.onProgress?.(),
      onDelivered: () => this.#delivered(),
    };
    return new Inbound(sink, window, clock, events, this.#watch("up"));
  }

  #watch(direction: "up" | "down"): Stopwatch | undefined {
    const { onEcho, clock } = this.#options;
    return onEcho && new Stopwatch(clock, (ms) => onEcho(direction, ms));
  }

  #onClose(wire: Wire, code: number): void {
    const over = code === NORMAL && this.#outbound.complete && this.#inbound?.complete;
    if (over && wire === this.#wire) this.#end({ kind: "bye", code: "done", text: "closed" });
    else this.#break(wire, closeText(code));
  }

  #break(wire: Wire, text: string): void {
    if (wire !== this.#wire || !this.#settle) return;
    this.#unhook();
    this.#wire = undefined;
    this.#outbound.detach();
    wire.ws.terminate();
    this.#options.onBreak(text);
  }

  #unhook(): void {
    this.#stopPings?.();
    this.#wire?.ws.off("text", this.#onText).hearBytes(() => undefined);
  }

  readonly #onBytes = (bytes: Buffer): void => this.#allow(this.#inbound?.accept(bytes));

  readonly #onText = (line: string): void => this.#allow(this.#hear(line));

  #allow(ok: boolean | undefined): void {
    if (!ok) this.bye("protocol", "the other end sent what the protocol does not allow");
  }

  #hear(line: string): boolean {
    this.#options.onControl?.("heard", line);
    return this.#obey(parseControl(line));
  }

  #obey(control: Control | undefined): boolean {
    switch (control?.kind) {
      case "ack":
        return this.#outbound.acknowledge(control.bytes) && this.#endForward();
      case "end":
        return this.#inbound?.end(control.total) ?? false;
      case "bye":
        // Answered, so that the gateway need not keep what it has for us.
        if (this.#options.role === "gateway") this.#end(control);
        else this.#leave("done", control);
        return true;
      default:
        return false;
    }
  }

  #onSourceEnd(): void {
    this.#options.onSourceEnd?.();
    this.#endForward();
  }

  #delivered(): void {
    if (this.#options.role === "client") this.#leave("done", { kind: "delivered" });
    else this.#options.sink.end();
    this.#endForward();
  }

  /** Ends a forwarded port once both streams have ended and arrived; always true. */
  #endForward(): true {
    const over = this.#options.role === "forward" && this.#outbound.complete && this.#inbound?.complete;
    if (over) this.#leave("done", { kind: "delivered" });
    return true;
  }

  #say(line: string, left?: () => void): void {
    this.#options.onControl?.("sent", line);
    this.#wire?.ws.sendText(line, left);
  }

  #leave(code: string, ending: Ending): void {
    if (this.#settle && this.#wire) {
      const text = ending.kind === "said" ? ending.text : ending.kind;
      this.#left = new Promise((resolve) => this.#say(byeLine(code, text), resolve));
    }
    this.#end(ending);
  }

  #end(ending: Ending): void {
    if (!this.#settle) return;
    this.#settle(ending);
    this.#settle = undefined;
    this.#unhook();
    this.#outbound.stop();
    this.#inbound?.stop();
  }
}

/** Close codes: RFC 6455, section 7.4.1. */
const NORMAL = 1000;

function closeText(code: number): string {
  return code === 1006 ? "the connection was cut" : `the connection was closed without a reason (${code})`;
}
