/** From this size on, pieces wait as they are; smaller ones are joined: a window of one-byte pieces would cost a gigabyte. */
const SMALL = 8 * 1024;
const BLOCK = 64 * 1024;

interface Part {
  readonly buffer: Buffer;
  start: number;
  end: number;
  /** True for a block of our own, which has room behind `end`. */
  readonly open: boolean;
}

/** Bytes that wait, first in first out, at a cost in memory close to their number. */
export class ByteQueue {
  readonly #parts: Part[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends `data`, which must not change afterwards. */
  push(data: Buffer): void {
    const last = this.#parts.at(-1);
    this.#length += data.length;
    if (last && data.length < SMALL) this.#join(last, data);
    else this.#parts.push({ buffer: data, start: 0, end: data.length, open: false });
  }

  /** The next bytes, at most `max` and in one piece; undefined when nothing waits. */
  take(max: number): Buffer | undefined {
    const head = this.#parts[0];
    if (!head) return undefined;
    const taken = head.buffer.subarray(head.start, Math.min(head.end, head.start + max));
    head.start += taken.length;
    if (head.start === head.end) this.#parts.shift();
    this.#length -= taken.length;
    return taken;
  }

  /** Takes `bytes` and forgets them; no more than wait. */
  discard(bytes: number): void {
    for (let left = bytes; left > 0; ) left -= this.take(left)?.length ?? left;
  }

  /** Puts all that waits in `other` before what waits here; `other` is empty then. */
  prepend(other: ByteQueue): void {
    this.#parts.unshift(...other.#parts);
    this.#length += other.#length;
    other.clear();
  }

  clear(): void {
    this.#parts.length = 0;
    this.#length = 0;
  }

  #join(last: Part, data: Buffer): void {
    const fits = last.open && last.buffer.length - last.end >= data.length;
    const block = fits ? last : this.#openBlock();
    data.copy(block.buffer, block.end);
    block.end += data.length;
  }

  #openBlock(): Part {
    const block: Part = { buffer: Buffer.allocUnsafeSlow(BLOCK), start: 0, end: 0, open: true };
    this.#parts.push(block);
    return block;
  }
}
