/** `gpu-dev disk create`: a disk of the caller's. */
import { defineCommand } from "../../command.ts";
import { finish, WAITING, waiting } from "../../disks/operation.ts";
import { size, snapshots } from "../../disks/options.ts";
import { showNew } from "../../disks/show-new.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { name as checkName, parsed } from "../../options.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [{ name: "name", summary: "Its name, unique among your disks", required: true }],
  options: {
    size: parsed("--size <SIZE>", "How much fits: 100G, 80Gi (default: 100G)", size),
    node: parsed(
      "--node <NODE>",
      "Where it is to be, if disks are on several nodes (default: the one with the most room)",
      String,
    ),
    snapshots,
    ...waiting,
  },
  details: WAITING,
  examples: [
    {
      line: "gpu-dev disk create home",
      meaning: "A disk for 100 GB, with a snapshot after each reservation",
    },
    {
      line: "gpu-dev disk create work --snapshots every=6h",
      meaning: "Also every 6 hours while a reservation runs with it",
    },
    {
      line: "gpu-dev disk create data --node box2",
      meaning: "On that node, where reservations with it will start",
    },
    { line: "gpu-dev disk create data --size 2T --snapshots never", meaning: "Large, and without snapshots" },
  ],
  async run([word = ""], { size: size_bytes, node, snapshots: schedule, ...given }, ctx): Promise<Output> {
    const name = checkName(word);
    const body = {
      name,
      ...(size_bytes === undefined ? {} : { size_bytes }),
      ...(node === undefined ? {} : { node }),
      ...schedule,
    };
    const begun = await ctx.api().createDisk({ body, idempotencyKey: idempotencyKey() });
    return showNew(ctx, await finish(ctx, begun, name, given));
  },
});
