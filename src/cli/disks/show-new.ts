/** What an operation that makes or changes a disk answers with: the disk, or while nobody waits for it, the operation. */
import type { DiskOperation } from "../../api/disks.ts";
import type { Context } from "../context.ts";
import { describeDisk } from "../output/disk.ts";
import type { Output } from "../output/output.ts";
import { describeOperation } from "./operation.ts";

export async function showNew(ctx: Context, operation: DiskOperation): Promise<Output> {
  if (operation.state !== "done") return describeOperation(operation);
  const disk = await ctx.api().getDisk({ params: { id: operation.new_disk_id ?? operation.disk_id } });
  return { json: disk, rows: describeDisk(disk, ctx.clock.now()) };
}
