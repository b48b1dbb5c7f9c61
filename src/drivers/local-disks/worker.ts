/**
 * The process that copies and measures trees, so that the server's event loop is never held: `worker JOB`, started by job.ts. Tells
 * what it does in lines of JSON on standard output, and ends with the server, or when that has stalled.
 */
import { closeSync, fsyncSync, openSync, writeFileSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { getSystemErrorMessage } from "node:util";
import type { DiskUse, SnapshotUse } from "../disks.ts";
import { isScriptOf } from "../local/process-table.ts";
import { copyTree, syncTree } from "./copy.ts";
import { type Job, SAYS, type Told } from "./job.ts";
import { settle } from "./layout.ts";
import { copyLive } from "./live-copy.ts";
import { NoRoom, requireRoom } from "./room.ts";
import { SILENCE_MS, whenSilent } from "./silence.ts";
import { agreed, Difference, linesOf } from "./tree-list.ts";
import { measureTree } from "./walk.ts";

const TELL_MS = 200;
const LIST_CHUNK = 1 << 16;
/** How often it is looked whether the pod is still there. */
const POD_MS = 200;

const tell = (told: Told): unknown => process.stdout.write(`${JSON.stringify(told)}\n`);

/** Copying is half of the work, and comparing the other half. */
class Progress {
  readonly #total: number;
  #told = 0;
  #compared = 0;

  constructor(total: number) {
    this.#total = total;
  }

  copied(bytes: number): void {
    this.#tell(Math.min(bytes, this.#total) / 2);
  }

  /** Of one tree of the `trees` that are compared. */
  compared(bytes: number, trees: number): void {
    this.#compared += bytes / trees;
    this.#tell((this.#total + Math.min(this.#compared, this.#total)) / 2);
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

async function work(job: Job): Promise<SnapshotUse> {
  if (job.to === undefined) return measureTree(job.from, breathe);
  const use = job.live ? await copyOfPods(job.from, job.to) : await copyOf(job.from, job.to);
  if (job.records !== undefined)
    writeFileSync(join(job.records, "use.json"), JSON.stringify(use), { flush: true });
  await syncTree(job.to);
  if (job.publish) await publish(job.publish, use);
  return use;
}

/** Nobody writes to what it is of. */
async function copyOf(from: string, to: string): Promise<SnapshotUse> {
  const use = await measureTree(from, breathe);
  await fits(use, from);
  const progress = new Progress(use.usedBytes);
  await copyTree(from, to, gone.signal, (bytes) => progress.copied(bytes));
  const read = (bytes: number): Promise<void> => {
    progress.compared(bytes, job.against === undefined ? 2 : 1);
    return breathe();
  };
  const expected = job.against === undefined ? linesOf(from, read) : await linesIn(job.against);
  await writeLines(agreed(expected, linesOf(to, read)), job.records);
  return job.still ? { ...use, changing: 0 } : use;
}

async function fits({ usedBytes }: DiskUse, sharing?: string): Promise<void> {
  if (job.publish) await requireRoom(usedBytes, job.publish.made, sharing);
}

/** Of what a pod is writing to; entered first, so that all of it is the same tree, whatever becomes of the path. */
async function copyOfPods(from: string, to: string): Promise<SnapshotUse> {
  process.chdir(from);
  await requirePod();
  const before = await measureTree(".", breathe).catch(unlessGone);
  // It shares no blocks: each file is read as it is at that moment.
  if (before) await fits(before);
  // What is mounted for the pod stays mounted for as long as somebody is in it.
  setInterval(() => requirePod().catch(leaveWith), POD_MS).unref();
  let [copied, told] = [0, performance.now()];
  const changing = await copyLive(".", to, (bytes) => {
    copied += bytes;
    if (performance.now() - told < TELL_MS) return breathe();
    told = performance.now();
    tell({ done: copied });
    return breathe();
  });
  await writeLines(linesOf(to, breathe), job.records);
  return { ...(await measureTree(to, breathe)), changing };
}

async function requirePod(): Promise<void> {
  if (job.pod && !(await isScriptOf(job.pod.pid, job.pod.dir)))
    throw new Error("the pod that has the disk has ended");
}

/** By who has the locks: nobody else has the volumes between the copy and this. */
async function publish({ made, place }: NonNullable<Job["publish"]>, use: DiskUse): Promise<void> {
  tell({ made: use });
  await serverAgrees.promise;
  // Of one that ended meanwhile files may have gone before they were copied.
  await requirePod();
  await settle(made, place);
}

const linesIn = async (path: string): Promise<AsyncIterable<string>> => (await open(path)).readLines();

async function writeLines(lines: AsyncIterable<string>, directory: string | undefined): Promise<void> {
  const file = directory === undefined ? undefined : openSync(join(directory, "list"), "wx", 0o600);
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

/** Something of what a pod writes to went while it was measured. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
}

/** A snapshot that is not what it was will not be; a disk that changed while it was copied may be still the next time. */
function faultOf(error: unknown): Told {
  const { message } = error as Error;
  if (error instanceof NoRoom) return { fault: message, lasting: true };
  if (!(error instanceof Difference))
    return { fault: wordsOf(error as NodeJS.ErrnoException), lasting: false };
  return job.against === undefined
    ? { fault: `${message} changed while it was copied`, lasting: false }
    : { fault: `the snapshot is damaged: ${message} is not what it was`, lasting: true };
}

/** A system call's error names a path of the server's. */
function wordsOf({ message, errno, path }: NodeJS.ErrnoException): string {
  if (errno === undefined || path === undefined) return message;
  const name = [job.from, job.to ?? ""].reduce((text, root) => text.replace(`${root}/`, ""), String(path));
  const why = errno === EUCLEAN ? "the file system is damaged there" : getSystemErrorMessage(errno);
  return `${JSON.stringify(name)} cannot be read: ${why}`;
}

/** For which Node has no words. */
const EUCLEAN = -117;
const job: Job = JSON.parse(process.argv[2] ?? "");
/** The server is gone, or as good as that. */
const gone = new AbortController();
const serverAgrees = Promise.withResolvers<void>();
const leaveWith = (error: unknown): void => {
  tell(faultOf(error));
  leave();
};
const leave = (): void => {
  gone.abort();
  process.exit(1);
};
process.stdin.setEncoding("utf8").on("end", leave);
process.stdin.on("data", (said: string) => {
  if (said.includes(SAYS.agreed)) serverAgrees.resolve();
});
const stopListening = whenSilent(process.stdin, SILENCE_MS, leave);
try {
  tell({ use: await work(job) });
} catch (error) {
  tell(faultOf(error));
}
stopListening();
process.stdin.destroy();
