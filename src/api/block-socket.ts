/**
 * A TCP socket that reads into the same memory again and again, in large pieces. An ordinary one takes 64 KiB of new memory
 * for each read, which costs a third of the time of a process that only passes bytes on (measured with `bench/tunnel.ts`).
 */
import { Socket, type SocketConstructorOpts } from "node:net";

/** A quarter of the usual second cache of a processor; what one read may bring. */
const BLOCK = 256 * 1024;
/** The next read goes behind the last one in its block while there is so much room. */
const ROOM = 64 * 1024;
/** Spare blocks of one who does not lag behind: what one ack of a tunnel gives back. */
const FEW = 4;

/** Memory that a reader gives back. Positions are counts of bytes, as the reader counts them; they never shrink. */
export interface Lender {
  /** Called as the reader gets a piece: it is needed until `position`, the one behind it, is given back. */
  keep(position: number): void;
  /** All before `position` may be overwritten. */
  release(position: number): void;
}

interface Block {
  readonly memory: Buffer;
  used: number;
  /** The position that frees it; infinite while nobody promised to give it back. */
  until: number;
}

/** To one who calls neither `keep` nor `readBy` it is an ordinary socket: what it read stays as it is. */
export class BlockSocket extends Socket implements Lender {
  readonly #blocks: Blocks;
  #reader: ((piece: Buffer) => void) | undefined;

  constructor(options: SocketConstructorOpts = {}) {
    const blocks = new Blocks();
    const callback = (length: number): boolean => this.#hand(length);
    super({ ...options, onread: { buffer: () => blocks.room(), callback } });
    this.#blocks = blocks;
  }

  /**
   * From now on pieces go to `reader` instead of an event, while none waits in the stream. One that is not kept when `reader`
   * returns is overwritten by the next: a short message needs no memory of its own. Without a reader they are emitted again.
   */
  readBy(reader: ((piece: Buffer) => void) | undefined): void {
    this.#reader = reader;
  }

  keep(position: number): void {
    this.#blocks.keep(position);
  }

  release(position: number): void {
    this.#blocks.release(position);
  }

  #hand(length: number): boolean {
    if (!this.#reader || this.readableLength > 0) return this.push(this.#blocks.take(length));
    this.#reader(this.#blocks.lend(length));
    return true;
  }
}

class Blocks implements Lender {
  #current = newBlock();
  /** Where the next read goes; undefined when that has to be found. */
  #room: Buffer | undefined;
  /** The last piece that was lent: when nobody kept it, and the next one is as long, it is at the same place. */
  #lent: Buffer | undefined;
  /** In order of their positions. */
  readonly #full: Block[] = [];
  /** For their next use; the last one given back is the first to be used, while the processor has it at hand. */
  readonly #spare: Buffer[] = [];

  /** Where the next read goes; asked for as the last one is over. */
  room(): Buffer {
    this.#room ??= this.#findRoom();
    return this.#room;
  }

  /** What was read there, for as long as the reader wants. */
  take(length: number): Buffer {
    const piece = this.lend(length);
    this.keep(Number.POSITIVE_INFINITY);
    return piece;
  }

  /** What was read there, until the next read unless it is kept. */
  lend(length: number): Buffer {
    if (this.#lent?.length !== length) {
      const { memory, used } = this.#current;
      this.#lent = memory.subarray(used, used + length);
    }
    return this.#lent;
  }

  keep(position: number): void {
    this.#current.until = position;
    if (!this.#lent) return;
    this.#current.used += this.#lent.length;
    this.#lent = undefined;
    this.#room = undefined;
  }

  release(position: number): void {
    while (this.#full[0] && this.#full[0].until <= position)
      this.#spare.push((this.#full.shift() as Block).memory);
    if (this.#full.length === 0) this.#spare.splice(FEW);
  }

  /** Whoever keeps the last piece as it comes has had all before it. Pieces that the stream holds back keep their block from being used again. */
  #findRoom(): Buffer {
    if (BLOCK - this.#current.used < ROOM) {
      if (Number.isFinite(this.#current.until)) this.#full.push(this.#current);
      this.#current = newBlock(this.#spare.pop());
    }
    return this.#current.memory.subarray(this.#current.used);
  }
}

const newBlock = (memory: Buffer = Buffer.allocUnsafeSlow(BLOCK)): Block => ({ memory, used: 0, until: 0 });
