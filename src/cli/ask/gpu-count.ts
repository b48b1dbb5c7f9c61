/** How many GPUs: what the server can give of a type, with when each number of them would start. */
import { RefusedRequest } from "../../api/client.ts";
import { exactDuration } from "../../api/duration.ts";
import type { GpuType } from "../../api/inventory.ts";
import type { Choice, Context } from "../context.ts";
import { startBy } from "../output/time.ts";

/** As many lines as can be overlooked; `--gpus` takes each number. */
const MOST_LINES = 8;

export interface GpuCount {
  readonly gpus: number | undefined;
  readonly multiNode: boolean;
}

/** A number that `type` has; undefined when there is nothing to choose, as for a type without GPUs (C-08). Throws Declined. */
export async function askGpuCount(ctx: Context, type: GpuType, durationS: number): Promise<GpuCount> {
  const counts = countsOf(type);
  if (counts.length < 2) return { gpus: undefined, multiNode: false };
  const choices = await Promise.all(counts.map((count) => choiceOf(ctx, type, count, durationS)));
  const gpus = Number(await ctx.prompts.select(`How many GPUs, for ${exactDuration(durationS)}?`, choices));
  return { gpus, multiNode: gpus > type.max_gpus_per_node };
}

/** Each number of one node, or only the doubles when there are many; then two whole nodes, four, and so on. */
function countsOf({ gpus_per_slot: slot, max_gpus_per_node: most, full_nodes }: GpuType): number[] {
  if (slot === 0 || most === 0) return [];
  const ofOne = Array.from({ length: Math.floor(most / slot) }, (_, i) => (i + 1) * slot);
  const isDouble = (n: number): boolean => n === most || Number.isInteger(Math.log2(n / slot));
  const nodes = [2, 4, 8, 16, 32].filter((n) => n <= full_nodes).map((n) => n * most);
  return [...(ofOne.length > MOST_LINES ? ofOne.filter(isDouble) : ofOne), ...nodes];
}

async function choiceOf(ctx: Context, type: GpuType, count: number, duration_s: number): Promise<Choice> {
  const several = count > type.max_gpus_per_node;
  const nodes = several ? ` on ${count / type.max_gpus_per_node} nodes` : "";
  const base = { value: String(count), short: `${count}${nodes}` };
  const body = {
    gpu_type: type.name,
    gpu_count: count,
    duration_s,
    ...(several ? { multi_node: true } : {}),
  };
  try {
    const { queue_position, latest_start_at } = await ctx.api().planReservation({ body });
    const start = queue_position === null ? "now" : startBy(latest_start_at, ctx.clock.now());
    return { ...base, name: `${base.short}: start ${typeof start === "string" ? start : start.text}` };
  } catch (error) {
    if (!(error instanceof RefusedRequest) || error.problem.retryable) throw error;
    // The key is registered when the questions are over, since Ctrl-C at one of them is to change nothing.
    if (error.problem.code === "no_ssh_key") return { ...base, name: base.short };
    return { ...base, name: base.short, disabled: `(${error.problem.detail})` };
  }
}
