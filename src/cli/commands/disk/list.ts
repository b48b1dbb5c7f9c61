/** `gpu-dev disk list`: the caller's disks. */
import { defineCommand } from "../../command.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  options: {},
  examples: [{ line: "gpu-dev disk list", meaning: "Your disks" }],
  async run(_args, _options, ctx): Promise<Output> {
    const page = await ctx.api().listDisks({ query: { limit: "500" } });
    return {
      json: page,
      header: ["NAME", "ID"],
      rows: page.items.map((disk) => [disk.name, disk.id]),
      empty: "No disks. Reservations have temporary storage so far (`--disk none`).",
    };
  },
});
