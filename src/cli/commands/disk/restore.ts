/** `gpu-dev disk restore`: brings a snapshot back. */
import type { Disk, Snapshot } from "../../../api/disks.ts";
import { id8 } from "../../../api/names.ts";
import { defineCommand } from "../../command.ts";
import type { Context } from "../../context.ts";
import { findDisk, findSnapshot } from "../../disks/find.ts";
import { finish, WAITING, waiting } from "../../disks/operation.ts";
import { diskArgument } from "../../disks/options.ts";
import { showNew } from "../../disks/show-new.ts";
import { Declined, UsageError } from "../../errors.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { flag, name, parsed, text } from "../../options.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: {
    from: text("--from <SNAPSHOT>", "The snapshot: its id, the beginning of that, or latest"),
    as: parsed("--as <NAME>", "Make a new disk of it; without this it replaces what is on the disk", name),
    yes: flag("-y, --yes", "Agree to replace what is on the disk"),
    ...waiting,
  },
  details: `With --as the disk stays as it is, and a reservation may have it meanwhile. Without, a snapshot of what is on the disk is taken first, to go back to. ${WAITING}`,
  examples: [
    {
      line: "gpu-dev disk restore home --from k3f9 --as home-then",
      meaning: "A second disk, as home was then",
    },
    {
      line: "gpu-dev disk restore home --from latest",
      meaning: "Back to the last snapshot, after asking you",
    },
  ],
  async run([word = ""], { from, as, yes, ...given }, ctx): Promise<Output> {
    if (from === undefined)
      throw new UsageError(
        "--from is missing",
        "`gpu-dev disk snapshots NAME` lists them; latest is the newest.",
      );
    const disk = await findDisk(ctx.api(), word);
    const snapshot = await findSnapshot(ctx.api(), disk, from);
    if (as === undefined && !yes) await agree(ctx, disk, snapshot);
    const begun = await ctx.api().restoreDisk({
      params: { id: disk.id },
      body: { snapshot: snapshot.id, ...(as === undefined ? {} : { as }) },
      idempotencyKey: idempotencyKey(),
    });
    const ended = await finish(ctx, begun, as ?? disk.name, given);
    if (ended.kept_snapshot_id) ctx.say(kept(disk, ended.kept_snapshot_id));
    return showNew(ctx, ended);
  },
});

const kept = ({ name }: Disk, snapshot: string): string =>
  `What was on ${name} before is in snapshot ${id8(snapshot)}: \`gpu-dev disk restore ${name} --from ${id8(snapshot)}\` goes back to it.`;

async function agree(ctx: Context, disk: Disk, snapshot: Snapshot): Promise<void> {
  const what = `replaces all that is on ${disk.name} by what was there at ${snapshot.taken_at}, after a snapshot of what is there now`;
  if (!ctx.interactive)
    throw new UsageError("--yes is missing", `It ${what}; --as NAME makes a new disk instead.`);
  if (!(await ctx.prompts.confirm(`This ${what}. Go on?`))) throw new Declined();
}
