/**
 * The process that copies and measures trees, so that the server's event loop is never held: `worker JOB`, started by job.ts. Tells
 * what it does in lines of JSON on standard output, and ends when its standard input does, that is with the server.
 */
import { closeSync, createReadStream, fsyncSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import type { DiskUse } from "../disks.ts";
import { copyTree, syncTree } from "./copy.ts";
import type { Job, Told } from "./job.ts";
import { agreed, linesOf } from "./tree-list.ts";
import { measureTree } from "./walk.ts";

const TELL_MS = 200;
const LIST_CHUNK = 1 << 16;

const tell = (told: Told): unknown => process.stdout.write(`${JSON.stringify(told)}\n`);

/** Copying is half of the work, and comparing the other half. */
class Progress {
  readonly #total: number;
  #half = 0;
  #told = 0;
  #read = 0;

  constructor(total: number) {
    this.#total = total;
  }

  copied(bytes: number): void {
    this.#half = Math.min(bytes, this.#total);
    this.#tell(this.#half / 2);
  }

  /** Of both trees, one after the other by turns. */
  compared(bytes: number): void {
    this.#read += bytes / 2;
    this.#tell((this.#total + Math.min(this.#read, this.#total)) / 2);
  }

  #tell(done: number): void {
    if (performance.now() - this.#told < TELL_MS) return;
    this.#told = performance.now();
    tell({ done: Math.floor(done), total: this.#total });
  }
}

let breathed = performance.now();

/** Lets what waits (the end of the server) be noticed. */
async function breathe(): Promise<void> {
  if (performance.now() - breathed < 50) return;
  await setImmediate();
  breathed = performance.now();
}

async function work(job: Job): Promise<DiskUse> {
  const use = await measureTree(job.from, breathe);
  if (job.to === undefined) return use;
  const progress = new Progress(use.usedBytes);
  await copyTree(job.from, job.to, (bytes) => progress.copied(bytes));
  const read = (bytes: number): Promise<void> => {
    progress.compared(bytes);
    return breathe();
  };
  const expected = job.against === undefined ? linesOf(job.from, read) : linesIn(job.against);
  await writeLines(agreed(expected, linesOf(job.to, read)), job.list);
  await syncTree(job.to);
  return use;
}

const linesIn = (file: string): AsyncIterable<string> =>
  createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });

async function writeLines(lines: AsyncIterable<string>, path: string | undefined): Promise<void> {
  const file = path === undefined ? undefined : openSync(path, "wx", 0o600);
  let text = "";
  const flush = () => {
    if (file !== undefined) writeSync(file, text);
    text = "";
  };
  for await (const line of lines) {
    text += `${line}\n`;
    if (text.length > LIST_CHUNK) flush();
  }
  flush();
  if (file === undefined) return;
  fsyncSync(file);
  closeSync(file);
}

process.stdin.on("end", () => process.exit()).resume();
try {
  tell({ use: await work(JSON.parse(process.argv[2] ?? "")) });
} catch (error) {
  tell({ fault: (error as Error).message });
}
process.stdin.destroy();
