/** What the pods of a reservation use. Their driver counts from their start; two looks, shortly after each other, make a rate of it. */
import { setTimeout as delay } from "node:timers/promises";
import { Problem } from "../../api/errors.ts";
import type { NodeUsage, PodUsage } from "../../api/pod-usage.ts";
import type { Known, PodUsage as Look } from "../../drivers/driver.ts";
import { allocationsOf } from "../../store/allocations.ts";
import type { AllocationRow } from "../../store/gpu-tables.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { notActive } from "../change.ts";
import type { Core } from "../core.ts";
import type { Caller } from "../people/access.ts";
import { visibleReservation } from "../people/ownership.ts";
import { bounded, podName, wordsOf } from "./pod.ts";

/** Between the two looks. */
const APART_MS = 500;
/** Whoever asks is waiting. */
const PATIENCE_MS = 8000;
const SIMULATED = { unknown: "its GPUs are simulated" };

/** Of each of its nodes. Throws Problem not_found, not_active, and unavailable when the driver can tell of none of them now. */
export async function readUsage(
  core: Core,
  caller: Caller,
  id: string,
  apartMs = APART_MS,
): Promise<PodUsage> {
  const { row, held, at } = await core.store.read(async (db, now) => {
    const found = await visibleReservation(db, caller, id);
    if (found.state !== "active") throw notActive(found);
    return { row: found, held: await allocationsOf(db, [id]), at: now.toISOString() };
  });
  const places = [...Map.groupBy(held, (a) => a.node_rank)].toSorted(([a], [b]) => a - b);
  const nodes = await Promise.all(
    places.map(([rank, allocations]) => nodeUsage(core, row, rank, allocations, apartMs)),
  );
  if (nodes.every(({ error }) => error !== null)) throw unavailable(nodes[0]?.error ?? "it has no node");
  return { id, name: row.name, at, nodes };
}

const unavailable = (why: string): Problem =>
  new Problem("unavailable", `what it uses cannot be measured now: ${why}`, { retryAfter: 5 });

async function nodeUsage(
  core: Core,
  row: ReservationRow,
  rank: number,
  held: readonly AllocationRow[],
  apartMs: number,
): Promise<NodeUsage> {
  const about = { rank, node: held[0]?.node ?? "" };
  const look = () => bounded("usage", core.driver.usage(podName(row, rank)), PATIENCE_MS);
  try {
    const before = await look();
    await delay(apartMs);
    const now = await look();
    const told = row.simulated === 1 && row.gpu_count > 0 ? { ...now, gpus: SIMULATED } : now;
    return { ...about, error: null, ...viewUsage(before, told, held) };
  } catch (error) {
    const nothing = { cpu: null, memory: null, gpus: null, network: null, home: null, unknown: [] };
    return { ...about, error: wordsOf(error), ...nothing };
  }
}

type Parts = Omit<NodeUsage, "rank" | "node" | "error">;

function viewUsage(before: Look, now: Look, held: readonly AllocationRow[]): Parts {
  const seconds = (now.atMs - before.atMs) / 1000;
  const unknown: NodeUsage["unknown"] = [];
  /** How a part is shown, if it is known, and was a moment ago. */
  const part = <K extends Part, V>(name: K, view: (now: Told<K>, before: Told<K>) => V): V | null => {
    const [then, known] = [before[name], now[name]] as [Known<Told<K>>, Known<Told<K>>];
    const missing = [known, then].find(isUnknown);
    if (missing) unknown.push({ part: name, reason: missing.unknown });
    return isUnknown(known) || isUnknown(then) ? null : view(known, then);
  };
  /** A process that ended without anybody waiting for it takes what it used out of the sum. */
  const rate = (from: number, to: number): number => (seconds > 0 ? Math.max(0, to - from) / seconds : 0);
  return {
    cpu: part("cpu", (cpu, was) => ({
      used_millicpus: Math.round(1000 * rate(was.usedS, cpu.usedS)),
      of_millicpus: Math.round(1000 * cpu.cpus),
    })),
    memory: part("memory", (memory) => ({ used_bytes: memory.usedBytes, of_bytes: memory.limitBytes })),
    gpus: part("gpus", (gpus) =>
      gpus.map((gpu, i) => ({
        index: held[i]?.gpu_index ?? i,
        busy_percent: gpu.busyPercent,
        used_bytes: gpu.usedBytes,
        of_bytes: gpu.totalBytes,
      })),
    ),
    network: part("network", (network, was) => ({
      received_bytes: network.receivedBytes,
      sent_bytes: network.sentBytes,
      received_bytes_per_s: Math.round(rate(was.receivedBytes, network.receivedBytes)),
      sent_bytes_per_s: Math.round(rate(was.sentBytes, network.sentBytes)),
    })),
    home: part("home", (home) => ({ used_bytes: home.usedBytes, of_bytes: home.totalBytes })),
    unknown,
  };
}

type Part = Exclude<keyof Look, "atMs">;
type Told<K extends Part> = Exclude<Look[K], { readonly unknown: string }>;

const isUnknown = <T>(known: Known<T>): known is Extract<Known<T>, { readonly unknown: string }> =>
  typeof known === "object" && known !== null && "unknown" in known;
