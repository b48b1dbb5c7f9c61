/** What a program reads and writes as one stream, which node:http takes for a socket. It emits `open` when the program says something first. It ends with the program, whose own words say why. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { Duplex } from "node:stream";

const MAX_SAID = 500;

export class ChildStream extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  #said = "";

  constructor(child: ChildProcessWithoutNullStreams) {
    super();
    this.#child = child;
    child.stdout.on("data", (bytes: Buffer) => this.push(bytes) || child.stdout.pause());
    child.stdout.once("data", () => this.emit("open"));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-MAX_SAID);
    });
    // That it ended is told by its end.
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => this.#fail(error.message));
    child.on("close", (code) => {
      if (code === 0) this.push(null);
      else this.#fail(this.#said.trim().split("\n").at(-1) || `it ended with status ${code}`);
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#child.stdin.write(bytes, () => done());
  }

  override _final(done: () => void): void {
    this.#child.stdin.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill();
    done(error);
  }

  #fail(words: string): void {
    this.destroy(Object.assign(new Error(words), { code: "ESSH" }));
  }

  /** Of a socket, and of no use here. */
  setKeepAlive = (): this => this;
  setNoDelay = (): this => this;
  setTimeout = (): this => this;
  ref = (): this => this;
  unref = (): this => this;
}
