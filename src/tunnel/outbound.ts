/**
 * One direction of a tunnel, the sending half: a source's bytes go onto the wire, never more than the window unacked.
 * The source is read until the window is full, even while there is no wire: that is how its end is noticed early.
 */
import type { Readable } from "node:stream";
import { BlockSocket, type Lender } from "../api/block-socket.ts";
import { ByteQueue } from "./byte-queue.ts";
import { byeLine, endLine } from "./frames.ts";
import type { Stopwatch } from "./stopwatch.ts";
import { type Link, SHORT } from "./websocket/link.ts";

/** More than this is never left in the socket's own buffer, so that a keystroke never waits behind megabytes. */
const SOCKET_BUFFER = 256 * 1024;
/** What is read before the wire is there and its window is known. */
const EARLY_WINDOW = 256 * 1024;

export interface OutboundEvents {
  /** The peer consumed more. */
  onProgress(): void;
  /** The source ended or failed; the peer is told when this resolves, if it is a promise. */
  beforeEnd?(): Promise<unknown>;
  /** The peer is being told; what was read before is still on its way. */
  onSourceEnd(): void;
}

export class Outbound {
  readonly #source: Readable;
  readonly #lender: Lender | undefined;
  readonly #events: OutboundEvents;
  readonly #queue = new ByteQueue();
  /** The last bytes before `#sent`: they may be lost with the wire, and are sent again on the next one. */
  readonly #replay = new ByteQueue();
  #ws: Link | undefined;
  #window = EARLY_WINDOW;
  readonly #watch: Stopwatch | undefined;
  #sent = 0;
  /** Bytes that earlier wires had: some of them go over the next one again. */
  #sentBefore = 0;
  #acked = 0;
  /** The source has ended, or failed. */
  #ending = false;
  /** Said once everything before it is sent: `end`, or `bye` when the source failed. */
  #lastLine: ((total: number) => string) | undefined;

  constructor(source: Readable, events: OutboundEvents, watch?: Stopwatch) {
    this.#source = source;
    if (source instanceof BlockSocket) this.#lender = source;
    this.#events = events;
    this.#watch = watch;
    source.on("data", this.#onData);
    // The first piece is an event for whoever waits for it.
    if (source instanceof BlockSocket) source.once("data", () => source.readBy(this.#onData));
    source.on("end", this.#onEnd);
    source.on("close", this.#onEnd);
    source.on("error", this.#onError);
    if (source.destroyed) this.#onEnd();
  }

  /** Bytes put on the wire; what was sent again counts once. */
  get sent(): number {
    return Math.max(this.#sent, this.#sentBefore);
  }

  /** Bytes that the peer has consumed, as it says. */
  get acked(): number {
    return this.#acked;
  }

  /** True when the stream has ended, and the peer has consumed all of it. */
  get complete(): boolean {
    return this.#lastLine !== undefined && this.#queue.length === 0 && this.#acked === this.#sent;
  }

  /** True when the stream can go on for a peer that has `received` so much. */
  keeps(received: number): boolean {
    return received <= this.#sent && received >= this.#kept;
  }

  /** From here on bytes flow, from where the peer has `received` them; false when they are not kept from there. */
  attach(ws: Link, window: number, received: number): boolean {
    if (!this.keeps(received)) return false;
    this.#replay.discard(received - this.#kept);
    this.#queue.prepend(this.#replay);
    this.#sentBefore = this.sent;
    this.#sent = received;
    this.#ws = ws;
    this.#window = window;
    this.#flush();
    this.#steer();
    return true;
  }

  /** The wire is gone: what comes from the source waits for the next one. */
  detach(): void {
    this.#ws = undefined;
  }

  /** The peer says what it consumed; false when that cannot be. */
  acknowledge(bytes: number): boolean {
    if (bytes > this.#sent || bytes < this.#acked) return false;
    this.#acked = bytes;
    this.#lender?.release(bytes);
    this.#replay.discard(Math.max(0, bytes - this.#kept));
    this.#flush();
    this.#steer();
    this.#events.onProgress();
    return true;
  }

  /** Leaves the source alone, unread and open. Its errors still end here, since nobody else listens. */
  stop(): void {
    this.#ws = undefined;
    this.#queue.clear();
    this.#replay.clear();
    if (this.#source instanceof BlockSocket) this.#source.readBy(undefined);
    this.#source.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onEnd);
    this.#source.pause();
  }

  /** Bytes that the window has room for. */
  get #room(): number {
    return this.#acked + this.#window - this.#sent;
  }

  get #kept(): number {
    return this.#sent - this.#replay.length;
  }

  readonly #onData = (chunk: Buffer): void => {
    const ws = this.#ws;
    const isAlone = this.#queue.length === 0 && ws?.bufferedAmount === 0;
    // Most messages are short and find nothing before them: they take no way round.
    if (isAlone && chunk.length <= SHORT && chunk.length <= this.#room)
      this.#put(ws, chunk, this.#watch?.start() ? this.#onLeft : undefined);
    else {
      this.#lender?.keep(this.#sent + this.#queue.length + chunk.length);
      this.#queue.push(chunk);
      this.#flush();
    }
    this.#steer();
  };

  readonly #onLeft = (): void => {
    this.#watch?.stop();
    this.#flush();
  };

  readonly #onEnd = (): void => this.#finish(endLine);

  readonly #onError = (error: Error): void =>
    this.#finish(() => byeLine("pod_lost", `the connection to the pod broke (${error.message})`));

  #finish(lastLine: (total: number) => string): void {
    if (this.#ending) return;
    this.#ending = true;
    const tell = (): void => {
      this.#lastLine = lastLine;
      this.#flush();
      this.#events.onSourceEnd();
    };
    const first = this.#events.beforeEnd?.();
    if (first) void first.then(tell);
    else tell();
  }

  /** Backpressure: the source is read while the window has room for more. */
  #steer(): void {
    const full = this.#sent - this.#acked + this.#queue.length >= this.#window;
    if (full) this.#source.pause();
    else if (this.#source.isPaused()) this.#source.resume();
  }

  #flush(): void {
    const ws = this.#ws;
    if (!ws) return;
    while (this.#queue.length > 0 && ws.bufferedAmount < SOCKET_BUFFER / 2) {
      const room = SOCKET_BUFFER - ws.bufferedAmount;
      const part = this.#queue.take(Math.min(this.#room, room));
      if (!part?.length) return;
      this.#put(ws, part, this.#onLeft);
    }
    if (this.#queue.length === 0) this.#sayLastLine(ws);
  }

  #put(ws: Link, part: Buffer, left: (() => void) | undefined): void {
    this.#sent += part.length;
    ws.sendBytes(part, left);
    // Afterwards: what is copied here must not keep the other end waiting.
    this.#replay.push(part);
  }

  /** Once on each wire: it may have been lost with the last one. */
  #sayLastLine(ws: Link): void {
    if (!this.#lastLine) return;
    this.#ws = undefined;
    ws.sendText(this.#lastLine(this.#sent));
  }
}
