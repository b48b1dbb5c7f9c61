/** The GPUs of this machine, as nvidia-smi and the driver's files in /proc tell them. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { GpuUsage } from "../driver.ts";
import { readIfThere, unlessMissing } from "./pod-dir.ts";
import type { Smi } from "./smi.ts";

const QUERY = ["--query-gpu=index,name,uuid", "--format=csv,noheader"];
/** nvidia-smi's exit code for a driver that works and has no devices. */
const NO_DEVICES = 6;
const PROC = "/proc/driver/nvidia/gpus";
const SHARED_DEVICES = [
  "nvidiactl",
  "nvidia-uvm",
  "nvidia-uvm-tools",
  "nvidia-modeset",
  "nvidia-caps",
  "dxg",
];

export interface Gpu {
  readonly gpuType: string;
  readonly uuid: string;
}

/** `fault` is set when nvidia-smi is there and something is wrong; without nvidia-smi there are no GPUs and no fault. */
export interface GpuReport {
  readonly gpus: readonly Gpu[];
  readonly fault: string | undefined;
}

/** Asks nvidia-smi; never throws, because a broken GPU must not hide the machine. */
export async function askNvidiaSmi(smi: Pick<Smi, "run">): Promise<GpuReport> {
  try {
    return parseReport(await smi.run(QUERY));
  } catch (error) {
    const { code, stdout, stderr, message } = error as Error & Record<"code" | "stdout" | "stderr", unknown>;
    if (code === "ENOENT" || code === NO_DEVICES) return { gpus: [], fault: undefined };
    const said = String(stderr || stdout || message).trim();
    return {
      gpus: parseReport(String(stdout ?? "")).gpus,
      fault: `nvidia-smi failed: ${said.slice(0, 300)}`,
    };
  }
}

/** What each GPU does now, by UUID. Undefined when nobody can be asked. */
export async function askGpuUse(smi: Pick<Smi, "run">): Promise<ReadonlyMap<string, GpuUsage> | undefined> {
  const query = [
    "--query-gpu=uuid,utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
  ];
  try {
    const lines = (await smi.run(query)).matchAll(/^(GPU-[0-9a-f-]+), (.+), (.+), (.+)$/gim);
    return new Map([...lines].map(([, uuid = "", ...figures]) => [uuid, gpuUsage(figures)]));
  } catch {
    // What is wrong with it is told by who asks for the GPUs themselves.
    return undefined;
  }
}

const MIB = 1024 ** 2;

/** "[N/A]" stands for what a GPU does not tell, such as a memory that it shares with its machine. */
function gpuUsage(figures: readonly string[]): GpuUsage {
  const [busy, used, total] = figures.map((figure) => (/^\d+$/.test(figure) ? Number(figure) : null));
  const bytes = (mib: number | null = null) => (mib === null ? null : mib * MIB);
  return { busyPercent: busy ?? null, usedBytes: bytes(used), totalBytes: bytes(total) };
}

function parseReport(text: string): GpuReport {
  const gpus: Gpu[] = [];
  const faults: string[] = [];
  for (const line of text.split("\n").filter((l) => l.trim() !== "")) {
    const [, name, uuid] = /^\d+, (.+), (GPU-[0-9a-f-]+)$/i.exec(line.trim()) ?? [];
    if (name === undefined || uuid === undefined || name.startsWith("[")) faults.push(line.trim());
    else gpus.push({ gpuType: typeOf(name), uuid });
  }
  const fault = faults.length === 0 ? undefined : `nvidia-smi reports: ${faults.join("; ").slice(0, 300)}`;
  return { gpus, fault };
}

/** The brand, the memory and the plug are no part of a type's name: "NVIDIA A100-SXM4-80GB" is "a100". */
export function typeOf(name: string): string {
  const slug = name
    .replaceAll(/[-_/]/g, " ")
    .replaceAll(/\b(nvidia|tesla|geforce|quadro|generation|pcie|nvl|sxm\d*|hbm\w*|\d+ ?gi?b)\b/gi, " ")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return slug === "" ? "gpu" : slug.slice(0, 63);
}

/** The nodes in /dev that belong to these GPUs, and those that all CUDA programs need. */
export async function deviceNodes(uuids: readonly string[], proc = PROC): Promise<string[]> {
  if (uuids.length === 0) return [];
  const all = (await unlessMissing(readdir(proc))) ?? [];
  const minors = await Promise.all(all.map((gpu) => minorOf(join(proc, gpu), uuids)));
  const own = minors.filter((minor) => minor !== undefined).map((minor) => `nvidia${minor}`);
  return [...own, ...SHARED_DEVICES].map((node) => `/dev/${node}`);
}

/** The order of nvidia-smi is not that of the device nodes: the driver's own file says which is which. */
async function minorOf(gpu: string, uuids: readonly string[]): Promise<string | undefined> {
  const text = (await readIfThere(join(gpu, "information"))) ?? "";
  const uuid = /^GPU UUID:\s*(\S+)/m.exec(text)?.[1];
  return uuid !== undefined && uuids.includes(uuid) ? /^Device Minor:\s*(\d+)/m.exec(text)?.[1] : undefined;
}
