/** What a pod uses of its share, as the engine measures its container. */
import { DriverError, type GpuUsage, type Known, type PodUsage } from "../driver.ts";
import { askGpuUse } from "../local/nvidia.ts";
import { type Container, hasGpus } from "./container.ts";
import type { Engine } from "./engine.ts";
import { runIn } from "./exec.ts";
import { HOME } from "./places.ts";
import { smiCommand } from "./probe.ts";
import { TOOLS } from "./tools.ts";

/** Of the engine's answer, as far as it is used. */
interface Stats {
  readonly cpu_stats: { readonly cpu_usage: { readonly total_usage: number }; readonly online_cpus?: number };
  readonly memory_stats: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
}

const NS_PER_S = 1e9;
const UNTOLD = { unknown: "the Docker Engine does not tell it" };
const SILENT_GPUS = { unknown: "nvidia-smi does not answer" };

/** Of a pod that runs. */
export async function usageOf(engine: Engine, container: Container): Promise<PodUsage> {
  const query = { stream: false, "one-shot": true };
  const [stats, gpus, home] = await Promise.all([
    engine.ask<Stats>("GET", `/containers/${container.Id}/stats`, { query }),
    hasGpus(container) ? gpusOf(engine, container.Id) : [],
    homeOf(engine, container.Id),
  ]);
  const { cpu_stats: cpu, networks } = stats;
  const cpus = container.HostConfig.NanoCpus / NS_PER_S || (cpu.online_cpus ?? 1);
  return {
    atMs: performance.now(),
    cpu: { usedS: cpu.cpu_usage.total_usage / NS_PER_S, cpus },
    memory: memoryOf(stats),
    network: networks ? trafficOf(Object.values(networks)) : UNTOLD,
    gpus: gpus ?? SILENT_GPUS,
    home,
  };
}

/** Without what the kernel keeps of files and can drop; its name depends on the version of the cgroups. */
function memoryOf({ memory_stats: { usage, limit, stats = {} } }: Stats): PodUsage["memory"] {
  if (usage === undefined || limit === undefined) return UNTOLD;
  const droppable = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  return { usedBytes: Math.max(0, usage - droppable), limitBytes: limit };
}

function trafficOf(networks: readonly { rx_bytes: number; tx_bytes: number }[]) {
  const sum = (of: "rx_bytes" | "tx_bytes") => networks.reduce((total, network) => total + network[of], 0);
  return { receivedBytes: sum("rx_bytes"), sentBytes: sum("tx_bytes") };
}

/** All that nvidia-smi sees in the pod are its own; undefined when it does not tell. */
export async function gpusOf(engine: Engine, container: string): Promise<readonly GpuUsage[] | undefined> {
  const run = async (args: readonly string[]): Promise<string> => {
    const { code, stdout } = await runIn(engine, container, { command: smiCommand(args) });
    if (code !== 0) throw new DriverError(`nvidia-smi ended with ${code}`);
    return stdout;
  };
  const use = await askGpuUse({ run });
  return use && [...use.values()];
}

/** The file system that the home is on, by stat(1). */
async function homeOf(
  engine: Engine,
  container: string,
): Promise<Known<{ usedBytes: number; totalBytes: number }>> {
  const command = [`${TOOLS}/bin/stat`, "-f", "-c", "%S %b %f %a", HOME];
  const { stdout } = await runIn(engine, container, { command });
  const [block = 0, blocks = 0, free = 0, available = 0] = stdout.trim().split(" ").map(Number);
  if (!(blocks > 0)) return UNTOLD;
  const used = (blocks - free) * block;
  return { usedBytes: used, totalBytes: used + available * block };
}
