/** From this size on, pieces wait as they are; smaller ones are copied together: a window of one-byte pieces would cost a gigabyte. */
const SMALL = 4 * 1024;
const BLOCK = 16 * 1024;

interface Part {
  readonly buffer: Buffer;
  start: number;
  end: number;
}

/** Bytes that wait, first in first out, at a cost in memory close to their number. */
export class ByteQueue {
  readonly #parts: Part[] = [];
  #length = 0;
  /** Of our own, free from `#used` on. */
  #block = Buffer.alloc(0);
  #used = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends `data`, which must not change afterwards if it is not small. */
  push(data: Buffer): void {
    this.#length += data.length;
    if (data.length < SMALL) this.#join(data);
    else this.#parts.push({ buffer: data, start: 0, end: data.length });
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

  #join(data: Buffer): void {
    if (this.#used + data.length > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK);
      this.#used = 0;
    }
    const start = this.#used;
    this.#block.set(data, start);
    this.#used += data.length;
    const last = this.#parts[this.#parts.length - 1];
    if (last?.buffer === this.#block && last.end === start) last.end = this.#used;
    else this.#parts.push({ buffer: this.#block, start, end: this.#used });
  }
}
