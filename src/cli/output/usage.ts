/** What a reservation uses, as small bars that can be read without colours; a pipe gets the figures alone. */
import type { NodeUsage, PodUsage } from "../../api/pod-usage.ts";
import type { Cell, Output } from "./output.ts";
import type { Tone } from "./paint.ts";
import { roundSize } from "./size.ts";

const BAR = 16;
/** From here on there is hardly room left. */
const FULL = 0.9;

/** The answer of `show --usage`. */
export function describeUsage(usage: PodUsage): Output {
  const { at: _, ...figures } = usage;
  const several = usage.nodes.length > 1;
  return {
    json: usage,
    watched: figures,
    rows: [
      ["id", usage.id],
      ...(usage.name === null ? [] : [["name", usage.name]]),
      ...usage.nodes.flatMap((node) => nodeRows(node, several ? `node ${node.rank}` : "")),
    ],
  };
}

/** `which` tells the lines of several nodes apart in a pipe. */
function nodeRows(node: NodeUsage, which: string): Cell[][] {
  const { cpu, memory, gpus, network, home } = node;
  const label = (text: string): Cell => ({ text, value: `${which} ${text}`.trim() });
  const rows: Cell[][] = [[which || "node", node.node]];
  if (node.error !== null) rows.push([label("unknown"), node.error]);
  if (cpu) rows.push([label("cpu"), ...cpuCells(cpu)]);
  if (memory) rows.push([label("memory"), ...sizeCells(memory.used_bytes, memory.of_bytes)]);
  for (const gpu of gpus ?? []) rows.push([label(`gpu ${gpu.index}`), ...gpuCells(gpu)]);
  if (network) rows.push([label("network"), ...networkCells(network)]);
  if (home) rows.push([label("home"), ...sizeCells(home.used_bytes, home.of_bytes)]);
  return [...rows, ...node.unknown.map(({ part, reason }) => [label(part), `unknown: ${reason}`])];
}

/** A terminal shows the first cell, a pipe all of them. */
const cells = (
  text: string,
  tone: Tone | undefined,
  first: number | null,
  ...more: (number | null)[]
): Cell[] => [{ text, value: piped(first), ...(tone && { tone }) }, ...more.map(piped)];

const piped = (figure: number | null): string => String(figure ?? "unknown");

function cpuCells({ used_millicpus, of_millicpus }: NonNullable<NodeUsage["cpu"]>): Cell[] {
  const [used, of] = [used_millicpus / 1000, of_millicpus / 1000];
  return cells(
    `${bar(used / of)}  ${used.toFixed(2)} of ${of} ${of === 1 ? "CPU" : "CPUs"}`,
    undefined,
    used,
    of,
  );
}

const sizeCells = (used: number, of: number): Cell[] =>
  cells(sizeBar(used, of), used >= FULL * of ? "warn" : undefined, used, of);

const sizeBar = (used: number, of: number): string =>
  `${bar(used / of)}  ${roundSize(used)} of ${roundSize(of)}`;

function gpuCells({
  busy_percent: busy,
  used_bytes,
  of_bytes,
}: NonNullable<NodeUsage["gpus"]>[number]): Cell[] {
  const work = busy === null ? "unknown whether it works" : bar(busy / 100);
  const known = used_bytes !== null && of_bytes !== null;
  const memory = known ? sizeBar(used_bytes, of_bytes) : "memory unknown";
  return cells(`${work}  ${memory}`, undefined, busy, used_bytes, of_bytes);
}

function networkCells(network: NonNullable<NodeUsage["network"]>): Cell[] {
  const { received_bytes: received, sent_bytes: sent } = network;
  const { received_bytes_per_s: perSIn, sent_bytes_per_s: perSOut } = network;
  const text = `in ${roundSize(perSIn)}/s, out ${roundSize(perSOut)}/s; ${roundSize(received)} and ${roundSize(sent)} so far`;
  return cells(text, undefined, perSIn, perSOut, received, sent);
}

/** "████░░░░  50%" of a part of one; what is used at all shows, and what is not full has room. */
function bar(part: number): string {
  const known = Number.isFinite(part) ? Math.min(1, Math.max(0, part)) : 0;
  const filled = known >= 1 ? BAR : Math.min(BAR - 1, Math.ceil(known * BAR));
  const percent = known >= 1 ? 100 : Math.min(99, Math.ceil(known * 100));
  return `${"█".repeat(filled)}${"░".repeat(BAR - filled)} ${`${percent}%`.padStart(4)}`;
}
