/**
 * The order of this machine's GPUs, which is what their indices mean in allocations: kept, so that after a restart the GPUs behind one
 * that has failed keep their indices. Each is a symbolic link, `<dataDir>/gpus/<n> -> <UUID> <type>`, because making one is a single
 * step that only one process can do: several servers of a machine never give the same place to two GPUs.
 */
import { mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { DriverError } from "../driver.ts";
import type { Gpu } from "./nvidia.ts";
import { unlessMissing } from "./pod-dir.ts";

/** All GPUs that were ever seen here, in the order in which they were first seen; those of `present` that are new are kept first. */
export async function knownGpus(dataDir: string, present: readonly Gpu[]): Promise<Gpu[]> {
  const dir = join(dataDir, "gpus");
  const known = await readOrder(dir);
  for (const gpu of present) await keep(dir, known, gpu);
  return known.map((old) => present.find((gpu) => gpu.uuid === old.uuid) ?? old);
}

async function readOrder(dir: string): Promise<Gpu[]> {
  // Listed before they are read: all that lie before one that is listed are there.
  const names = (await unlessMissing(readdir(dir))) ?? [];
  const order: Gpu[] = [];
  await readRest(dir, order);
  const stray = names.find((name) => String(Number(name)) !== name || Number(name) >= order.length);
  if (stray !== undefined) throw damaged(stray);
  return order;
}

/** Reads on from where `order` ends. */
async function readRest(dir: string, order: Gpu[]): Promise<void> {
  for (;;) {
    const name = String(order.length);
    const text = await linkAt(dir, name);
    if (text === undefined) return;
    const [, uuid, gpuType] = /^(GPU-[0-9a-f-]+) ([a-z0-9-]+)$/i.exec(text) ?? [];
    if (uuid === undefined || gpuType === undefined || order.some((gpu) => gpu.uuid === uuid))
      throw damaged(name);
    order.push({ uuid, gpuType });
  }
}

async function linkAt(dir: string, name: string): Promise<string | undefined> {
  try {
    return await unlessMissing(readlink(join(dir, name)));
  } catch (cause) {
    // EINVAL: it is no link.
    throw (cause as NodeJS.ErrnoException).code === "EINVAL" ? damaged(name, cause) : cause;
  }
}

async function keep(dir: string, order: Gpu[], gpu: Gpu): Promise<void> {
  const isKept = () => order.some(({ uuid }) => uuid === gpu.uuid);
  while (!isKept()) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    try {
      await symlink(`${gpu.uuid} ${gpu.gpuType}`, join(dir, String(order.length)));
      order.push(gpu);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      // Another process was faster.
      await readRest(dir, order);
    }
  }
}

const damaged = (name: string, cause?: unknown): DriverError =>
  new DriverError(
    `the kept order of this machine's GPUs is damaged at ${JSON.stringify(name)}; when no reservation has GPUs of it, remove "gpus" from the data directory and restart the server`,
    { cause },
  );
