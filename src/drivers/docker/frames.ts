/** What a process in a container says, as the engine mixes its two outputs into one stream: frames of TYPE 0 0 0 LENGTH(4) and bytes. */
import { Duplex, type Readable, Transform } from "node:stream";

const HEADER = 8;
const STDOUT = 1;

/** Takes the frames apart: what was said on stdout goes on, the rest is given to `aside`. */
class Demultiplexer extends Transform {
  readonly #aside: (bytes: Buffer) => void;
  #header = Buffer.alloc(0);
  #type = 0;
  #left = 0;

  constructor(aside: (bytes: Buffer) => void) {
    super();
    this.#aside = aside;
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#left > 0 ? this.#payload(rest) : this.#begin(rest);
    done();
  }

  #begin(bytes: Buffer): Buffer {
    const lacking = HEADER - this.#header.length;
    this.#header = Buffer.concat([this.#header, bytes.subarray(0, lacking)]);
    if (this.#header.length === HEADER) {
      this.#type = this.#header.readUInt8(0);
      this.#left = this.#header.readUInt32BE(4);
      this.#header = Buffer.alloc(0);
    }
    return bytes.subarray(lacking);
  }

  #payload(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, this.#left);
    this.#left -= part.length;
    if (this.#type === STDOUT) this.push(part);
    else this.#aside(part);
    return bytes.subarray(part.length);
  }
}

/**
 * Bytes to and from a process in a container; ending it ends what the process reads. What it says on stderr is given to `aside`. Not Duplex.from(): to that, being destroyed by its
 * own user is an error, which nobody would expect.
 */
export class ProcessStream extends Duplex {
  readonly #raw: Duplex;
  readonly #output: Demultiplexer;

  constructor(raw: Duplex, aside: (bytes: Buffer) => void = () => undefined) {
    super();
    this.#raw = raw;
    this.#output = new Demultiplexer(aside);
    const output = raw.pipe(this.#output);
    output.on("data", (bytes: Buffer) => this.push(bytes) || output.pause());
    output.on("end", () => this.push(null));
    raw.on("error", (error) => this.destroy(error));
    // It may close without an end when the connection is cut.
    raw.on("close", () => raw.readableEnded || output.end());
  }

  override _read(): void {
    this.#output.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#raw.write(bytes, done);
  }

  override _final(done: () => void): void {
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#raw.destroy();
    done(error);
  }
}

/** All that was said, both outputs as they came, up to `most` bytes of the end. */
export async function allSaid(raw: Readable, most = 64 * 1024): Promise<{ stdout: string; stderr: string }> {
  let [stdout, stderr] = [Buffer.alloc(0), Buffer.alloc(0)];
  const output = new Demultiplexer((part) => {
    stderr = Buffer.concat([stderr, part]).subarray(-most);
  });
  raw.on("error", (error) => output.destroy(error));
  // It may close without an end when the connection is cut.
  raw.on("close", () => raw.readableEnded || output.end());
  for await (const part of raw.pipe(output)) stdout = Buffer.concat([stdout, part as Buffer]).subarray(-most);
  return { stdout: stdout.toString(), stderr: stderr.toString() };
}
