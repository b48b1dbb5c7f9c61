/** A connection in memory, so that a hundred thousand of them are quick. */
import { Duplex } from "node:stream";

/** One end: what is written here is read at the other end; when one is destroyed, so is the other, a moment later. */
export class MemorySocket extends Duplex {
  readonly remoteAddress = "192.0.2.1";
  bytesRead = 0;
  other: MemorySocket | undefined;
  #taken: (() => void) | undefined;

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    if (this.other && !this.other.destroyed) this.other.receive(chunk, done);
    else done();
  }

  override _final(done: () => void): void {
    if (this.other && !this.other.destroyed) this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this._read();
    setImmediate(() => this.other?.destroy());
    done(error);
  }

  /** Breaks the connection: the other end gets an error. */
  reset(): void {
    this.other?.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
    this.destroy();
  }

  receive(chunk: Buffer, done: () => void): void {
    this.bytesRead += chunk.length;
    // A copy: what a sender does with its buffers later must not change what is on the way.
    if (this.push(Buffer.from(chunk))) done();
    else this.#taken = done;
  }
}

/** What an end holds for a reader that does not read. */
export const HELD = 256;

/** Both ends of a new connection. */
export function connection(): [MemorySocket, MemorySocket] {
  const options = { allowHalfOpen: true, highWaterMark: HELD };
  const [near, far] = [new MemorySocket(options), new MemorySocket(options)];
  [near.other, far.other] = [far, near];
  return [near, far];
}
