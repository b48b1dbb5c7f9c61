/**
 * One direction of a tunnel, the receiving half: bytes from the wire go to a sink. The wire is never paused (a paused
 * one answers no pings); the window bounds what waits here, and `ack` says what the sink has taken.
 */
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { Lender } from "../api/block-socket.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { Clock } from "./clock.ts";
import type { Stopwatch } from "./stopwatch.ts";
import { SHORT } from "./websocket/link.ts";

/**
 * A quarter of the smallest window, so that the sender never waits for it. Each one costs a system call at both ends and
 * wakes the other (measured: an eighth less CPU at the receiver than with 256 KiB).
 */
const ACK_BYTES = 1024 * 1024;
const ACK_MS = 100;
/** As much is handed to the sink at a time; the rest waits here, where small pieces are joined. */
const HANDED = 256 * 1024;

export interface InboundEvents {
  /** The sink has taken `consumed` bytes, and it is time to say so. */
  onAck(consumed: number): void;
  /** Bytes came in, or the sink took some. */
  onProgress(): void;
  /** The peer's stream ended and the sink has taken all of it. */
  onDelivered(): void;
}

export class Inbound {
  readonly #sink: Writable;
  readonly #isSocket: boolean;
  readonly #window: number;
  readonly #clock: Clock;
  /** Undefined once stopped. */
  #events: InboundEvents | undefined;
  readonly #queue = new ByteQueue();
  #received = 0;
  #handed = 0;
  /** The length of the piece that was handed on alone. */
  #passed = 0;
  #consumed = 0;
  #acked = 0;
  #total: number | undefined;
  #sinkFailed = false;
  #cancelAck: (() => void) | undefined;
  readonly #onDrained: (() => void)[] = [];
  readonly #watch: Stopwatch | undefined;
  /** Whose memory the bytes of the present wire are in, if it wants it back. */
  lender: Lender | undefined;

  constructor(sink: Writable, window: number, clock: Clock, events: InboundEvents, watch?: Stopwatch) {
    this.#sink = sink;
    this.#isSocket = sink instanceof Socket;
    this.#window = window;
    this.#clock = clock;
    this.#events = events;
    this.#watch = watch;
  }

  get received(): number {
    return this.#received;
  }

  /** Bytes received that the sink has not taken yet. */
  get waiting(): number {
    return this.#received - this.#consumed;
  }

  /** The next bytes of the stream; false when the peer may not send them. */
  accept(data: Buffer): boolean {
    if (this.#total !== undefined || this.#received + data.length - this.#acked > this.#window) return false;
    const isAlone = this.waiting === 0;
    if (isAlone) this.#watch?.start();
    this.#received += data.length;
    // Most messages are short and find nothing before them: they take no way round.
    if (isAlone && data.length <= SHORT) this.#pass(data);
    else {
      this.lender?.keep(this.#received);
      this.#queue.push(data);
      this.#hand();
    }
    this.#events?.onProgress();
    return true;
  }

  /** The peer's stream ended after `total` bytes; false when that is not what came. Saying it again changes nothing. */
  end(total: number): boolean {
    if (total !== this.#received) return false;
    if (this.#total === undefined) {
      this.#total = total;
      this.#afterTaking();
    }
    return true;
  }

  /** True when the peer's stream has ended, and the sink has taken all of it. */
  get complete(): boolean {
    return this.#total !== undefined && this.waiting === 0;
  }

  /** Says what was consumed: the last ack may have been lost with its wire. */
  repeatAck(): void {
    this.#sayAck();
  }

  /** Resolves when the sink has taken all that was received, or failed. */
  drained(): Promise<void> {
    return this.waiting === 0 || this.#sinkFailed
      ? Promise.resolve()
      : new Promise((done) => this.#onDrained.push(done));
  }

  /** No more is accepted and no ack is said; what was received still goes to the sink. */
  stop(): void {
    this.#total ??= this.#received;
    this.#cancelAck?.();
    this.#cancelAck = undefined;
    this.#events = undefined;
  }

  #hand(): void {
    while (this.#handed - this.#consumed < HANDED) {
      const data = this.#queue.take(HANDED);
      if (!data) return;
      this.#give(data);
    }
  }

  #give(data: Buffer): void {
    this.#handed += data.length;
    this.#sink.write(data, (error) => (error ? this.#fail() : this.#taken(data.length)));
  }

  /** What the kernel has when `write` returns, as nearly always, need not be kept. Other sinks than sockets may only have passed it on. */
  #pass(data: Buffer): void {
    this.#handed += data.length;
    this.#passed = data.length;
    this.#sink.write(data, this.#onPassed);
    if (!this.#isSocket || this.#sink.writableLength > 0) this.lender?.keep(this.#received);
  }

  readonly #onPassed = (error?: Error | null): void => (error ? this.#fail() : this.#taken(this.#passed));

  #taken(bytes: number): void {
    this.#watch?.stop();
    this.#consumed += bytes;
    this.lender?.release(this.#consumed);
    this.#hand();
    this.#events?.onProgress();
    this.#afterTaking();
  }

  #afterTaking(): void {
    this.#acknowledge();
    if (this.waiting > 0) return;
    this.#release();
    if (this.#total !== undefined) this.#events?.onDelivered();
  }

  /** A sink that failed takes nothing more; it says so by its own event. (stdout forgets that it failed.) */
  #fail(): void {
    this.#sinkFailed = true;
    this.#release();
  }

  #release(): void {
    for (const done of this.#onDrained.splice(0)) done();
  }

  #acknowledge(): void {
    if (!this.#events) return;
    const due = this.#consumed - this.#acked;
    if (due >= ACK_BYTES || (due > 0 && this.#consumed === this.#total)) this.#sayAck();
    else if (due > 0) this.#cancelAck ??= this.#clock.after(ACK_MS, () => this.#sayAck());
  }

  #sayAck(): void {
    this.#cancelAck?.();
    this.#cancelAck = undefined;
    this.#acked = this.#consumed;
    this.#events?.onAck(this.#consumed);
  }
}
