/** `gpu-dev admin types`: the catalogue of GPU types, as the server has it. */
import { formatDuration } from "../../../api/duration.ts";
import type { GpuType } from "../../../api/inventory.ts";
import { formatDollars } from "../../../api/money.ts";
import { exactSize } from "../../../api/size.ts";
import { defineCommand } from "../../command.ts";
import { rememberNames } from "../../completion/cache.ts";
import { allPages } from "../../http/all-pages.ts";
import type { Cell, Output } from "../../output/output.ts";

export const command = defineCommand({
  options: {},
  details:
    "GPU memory is that of one GPU; CPUs, memory and price are for one GPU, or for one place of a type without GPUs. The server's configuration file says them (docs/configuration.md); NODES is 0 for a type that no node offers at present.",
  examples: [
    {
      line: "gpu-dev admin types",
      meaning: "All types: how many there are, what comes with them, and for how long",
    },
    { line: "gpu-dev admin types --json", meaning: "The same as the API has it, prices in micro-dollars" },
  ],
  async run(_args, _options, ctx): Promise<Output> {
    const page = await allPages((query) => ctx.api().listGpuTypes({ query }));
    rememberNames(ctx, { gpuTypes: page.items.filter((type) => type.nodes > 0).map((type) => type.name) });
    return {
      json: page,
      header: HEADER,
      spare: ["DESCRIPTION", "SLICE OF", "MEMORY", "CPUS"],
      rows: page.items.map(row),
      empty: "The server knows no GPU types at the moment; `gpu-dev status` says how it is.",
    };
  },
});

const HEADER = [
  ...["TYPE", "NODES", "GPUS PER NODE", "GPU MEMORY", "CPUS", "MEMORY"],
  ...["MAX TIME", "PRICE", "SLICE OF", "NOTE", "DESCRIPTION"],
];

const row = (type: GpuType): Cell[] => [
  type.name,
  String(type.nodes),
  String(type.max_gpus_per_node),
  size(type.gpu_memory_bytes),
  type.cpus === null ? "" : String(type.cpus),
  size(type.memory_bytes),
  { text: formatDuration(type.max_duration_s, "down"), value: String(type.max_duration_s) },
  price(type.price_per_hour),
  type.slice_of === null ? "" : `${type.slice_of} / ${type.slices_per_gpu}`,
  type.simulated ? "simulated" : "",
  type.description ?? "",
];

const size = (bytes: number | null): Cell =>
  bytes === null ? "" : { text: exactSize(bytes), value: String(bytes) };

const price = (micro: number | null): Cell =>
  micro === null ? "" : { text: `${formatDollars(micro)}/h`, value: String(micro) };
