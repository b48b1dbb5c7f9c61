/** Changes of a disk that take no time. */
import type { Disk, PatchDisk } from "../../api/disks.ts";
import type { Context } from "../context.ts";
import { describeDisk } from "../output/disk.ts";
import type { Output } from "../output/output.ts";
import { findDisk } from "./find.ts";

/** Patches the disk that `word` means, and prints it. */
export async function changeDisk(ctx: Context, word: string, body: PatchDisk): Promise<Output> {
  const { id } = await findDisk(ctx.api(), word);
  return changed(ctx, await ctx.api().patchDisk({ params: { id }, body }));
}

/** What a change answers with. */
export function changed(ctx: Context, disk: Disk): Output {
  ctx.say(`Changed ${disk.name}`);
  return { json: disk, rows: describeDisk(disk, ctx.clock.now()) };
}
