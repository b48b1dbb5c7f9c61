/**
 * The pump, the same for both ends: a WebSocket on one side, a source and a sink of bytes on the other.
 * Words: *received* is what came off the wire, *consumed* is what the sink has taken, *delivered* is all of it.
 */
import type { Readable, Writable } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { Clock } from "./clock.ts";
import { ackLine, byeLine, type Control, parseControl } from "./frames.ts";
import { Inbound } from "./inbound.ts";
import { keepAlive } from "./keepalive.ts";
import { Outbound } from "./outbound.ts";

/** How a tunnel ended, seen from this end. */
export type Ending =
  /** The peer said why: `bye`. */
  | { readonly kind: "bye"; readonly code: string; readonly text: string }
  /** This end said `bye`. */
  | { readonly kind: "said"; readonly code: string; readonly text: string }
  /** The WebSocket closed without `bye`. */
  | { readonly kind: "broken"; readonly text: string }
  /** Client only: the pod's stream ended, and stdout has all of it. */
  | { readonly kind: "delivered" }
  /** Client only: stdout takes no more. */
  | { readonly kind: "unwanted"; readonly error: Error };

export interface Wire {
  readonly ws: WebSocket;
  /** The socket below it, to see slow bytes arrive before a whole message is there. */
  readonly socket: { readonly bytesRead?: number };
  /** Bytes in flight allowed each way. */
  readonly window: number;
}

export interface PipeOptions {
  /**
   * The client ends when the pod's stream has ended and is written out, or when nobody reads it any more. The gateway
   * passes the client's end on to the pod as a half-close, and tells of a broken pod only after the bytes before it.
   */
  readonly role: "client" | "gateway";
  readonly source: Readable;
  readonly sink: Writable;
  readonly clock: Clock;
  /** Bytes moved, in either direction. */
  onProgress?(): void;
  onSourceEnd?(): void;
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
    this.#outbound = new Outbound(options.source, {
      onProgress: () => options.onProgress?.(),
      onSourceEnd: () => options.onSourceEnd?.(),
    });
    if (options.role === "client")
      options.sink.on("error", (error) => this.#leave("hangup", { kind: "unwanted", error }));
  }

  /** Bytes put on the wire. */
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

  /** To be called in the turn in which the WebSocket opens, so that no message is missed. */
  attach(wire: Wire): void {
    this.#wire = wire;
    this.#inbound = new Inbound(this.#options.sink, wire.window, this.#options.clock, {
      onAck: (consumed) => this.#say(ackLine(consumed)),
      onProgress: () => this.#options.onProgress?.(),
      onDelivered: () => this.#delivered(),
    });
    wire.ws.on("message", this.#onMessage);
    wire.ws.on("error", (error) => this.#end({ kind: "broken", text: error.message }));
    wire.ws.on("close", (code) => this.#end({ kind: "broken", text: closeText(code) }));
    this.#startPings(wire);
    // The first sign of life: without one the gateway takes its answer for lost.
    if (this.#options.role === "client") this.#say(ackLine(0));
    this.#outbound.attach(wire.ws, wire.window);
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
    this.#stopPings = keepAlive(line, this.#options.clock, () => {
      this.#end({ kind: "broken", text: "nothing was heard from the other end for 60 s" });
      ws.terminate();
    });
  }

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    const ok = isBinary ? this.#inbound?.accept(data as Buffer) : this.#obey(parseControl(data.toString()));
    if (!ok) this.bye("protocol", "the other end sent what the protocol does not allow");
  };

  #obey(control: Control | undefined): boolean {
    switch (control?.kind) {
      case "ack":
        return this.#outbound.acknowledge(control.bytes);
      case "end":
        return this.#inbound?.end(control.total) ?? false;
      case "bye":
        this.#end(control);
        return true;
      default:
        return false;
    }
  }

  #delivered(): void {
    if (this.#options.role === "client") this.#leave("done", { kind: "delivered" });
    else this.#options.sink.end();
  }

  #say(line: string, left?: () => void): void {
    this.#wire?.ws.send(line, { binary: false }, left);
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
    this.#stopPings?.();
    this.#outbound.stop();
    this.#inbound?.stop();
    this.#wire?.ws.off("message", this.#onMessage);
  }
}

/** Close codes: RFC 6455, section 7.4.1. */
function closeText(code: number): string {
  return code === 1006 ? "the connection was cut" : `the connection was closed without a reason (${code})`;
}
