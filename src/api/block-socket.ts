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

/** To one who never calls `keep` it is an ordinary socket: what it read stays as it is. */
export class BlockSocket extends Socket implements Lender {
  readonly #blocks: Blocks;

  constructor(options: SocketConstructorOpts = {}) {
    const blocks = new Blocks();
    const callback = (length: number): boolean => this.push(blocks.take(length));
    super({ ...options, onread: { buffer: () => blocks.room(), callback } });
    this.#blocks = blocks;
  }

  keep(position: number): void {
    this.#blocks.keep(position);
  }

  release(position: number): void {
    this.#blocks.release(position);
  }
}

class Blocks implements Lender {
  #current = newBlock();
  /** In order of their positions. */
  readonly #full: Block[] = [];
  /** For their next use; the last one given back is the first to be used, while the processor has it at hand. */
  readonly #spare: Buffer[] = [];

  /** Where the next read goes; asked for as the last one is over. */
  room(): Buffer {
    if (BLOCK - this.#current.used < ROOM) this.#change();
    return this.#current.memory.subarray(this.#current.used);
  }

  /** What was read there. */
  take(length: number): Buffer {
    const { memory, used } = this.#current;
    this.#current.used += length;
    this.#current.until = Number.POSITIVE_INFINITY;
    return memory.subarray(used, used + length);
  }

  keep(position: number): void {
    this.#current.until = position;
  }

  release(position: number): void {
    while (this.#full[0] && this.#full[0].until <= position)
      this.#spare.push((this.#full.shift() as Block).memory);
    if (this.#full.length === 0) this.#spare.splice(FEW);
  }

  /** Whoever keeps the last piece as it comes has had all before it. Pieces that the stream holds back keep their block from being used again. */
  #change(): void {
    if (Number.isFinite(this.#current.until)) this.#full.push(this.#current);
    this.#current = newBlock(this.#spare.pop());
  }
}

const newBlock = (memory: Buffer = Buffer.allocUnsafeSlow(BLOCK)): Block => ({ memory, used: 0, until: 0 });
