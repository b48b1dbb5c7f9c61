/**
 * One direction of a tunnel, the sending half: a source's bytes go onto the wire, never more than the window unacked.
 * The source is read until the window is full, even before the wire is there: that is how its end is noticed early.
 */
import type { Readable } from "node:stream";
import type { WebSocket } from "ws";
import { ByteQueue } from "./byte-queue.ts";
import { byeLine, endLine } from "./frames.ts";

/** More than this is never left in the socket's own buffer, so that a keystroke never waits behind megabytes. */
const SOCKET_BUFFER = 256 * 1024;
/**
 * A receiver reads 64 KiB at a time and has to copy a message that straddles two reads: at half of that, half of the
 * bytes are spared it (measured: a third less CPU at the receiver than with 64 KiB; 16 KiB is no better).
 */
const MAX_MESSAGE = 32 * 1024;
/** What is read before the wire is there and its window is known. */
const EARLY_WINDOW = 256 * 1024;

const BINARY = { binary: true };
const TEXT = { binary: false };

export interface OutboundEvents {
  /** The peer consumed more. */
  onProgress(): void;
  /** The source ended or failed; what was read before is still on its way. */
  onSourceEnd(): void;
}

export class Outbound {
  readonly #source: Readable;
  readonly #events: OutboundEvents;
  readonly #queue = new ByteQueue();
  #ws: WebSocket | undefined;
  #window = EARLY_WINDOW;
  #sent = 0;
  #acked = 0;
  /** Said once everything before it is sent: `end`, or `bye` when the source failed. */
  #lastLine: ((total: number) => string) | undefined;

  constructor(source: Readable, events: OutboundEvents) {
    this.#source = source;
    this.#events = events;
    source.on("data", this.#onData);
    source.on("end", this.#onEnd);
    source.on("close", this.#onEnd);
    source.on("error", this.#onError);
    if (source.destroyed) this.#onEnd();
  }

  /** Bytes put on the wire. */
  get sent(): number {
    return this.#sent;
  }

  /** From here on bytes flow. */
  attach(ws: WebSocket, window: number): void {
    this.#ws = ws;
    this.#window = window;
    this.#flush();
    this.#steer();
  }

  /** The peer says what it consumed; false when that cannot be. */
  acknowledge(bytes: number): boolean {
    if (bytes > this.#sent || bytes < this.#acked) return false;
    this.#acked = bytes;
    this.#flush();
    this.#steer();
    this.#events.onProgress();
    return true;
  }

  /** Leaves the source alone, unread and open. Its errors still end here, since nobody else listens. */
  stop(): void {
    this.#ws = undefined;
    this.#queue.clear();
    this.#source.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onEnd);
    this.#source.pause();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#queue.push(chunk);
    this.#flush();
    this.#steer();
  };

  readonly #onEnd = (): void => this.#finish(endLine);

  readonly #onError = (error: Error): void =>
    this.#finish(() => byeLine("pod_lost", `the connection to the pod broke (${error.message})`));

  #finish(lastLine: (total: number) => string): void {
    if (this.#lastLine) return;
    this.#lastLine = lastLine;
    this.#flush();
    this.#events.onSourceEnd();
  }

  /** Backpressure: the source is read while the window has room for more. */
  #steer(): void {
    const full = this.#sent - this.#acked + this.#queue.length >= this.#window;
    if (full) this.#source.pause();
    else if (this.#source.isPaused()) this.#source.resume();
  }

  readonly #flush = (): void => {
    const ws = this.#ws;
    if (!ws) return;
    while (this.#queue.length > 0 && ws.bufferedAmount < SOCKET_BUFFER) {
      const part = this.#queue.take(Math.min(this.#acked + this.#window - this.#sent, MAX_MESSAGE));
      if (!part?.length) return;
      this.#sent += part.length;
      ws.send(part, BINARY, this.#flush);
    }
    if (this.#queue.length === 0) this.#sayLastLine(ws);
  };

  #sayLastLine(ws: WebSocket): void {
    if (!this.#lastLine) return;
    this.#ws = undefined;
    ws.send(this.#lastLine(this.#sent), TEXT);
  }
}
