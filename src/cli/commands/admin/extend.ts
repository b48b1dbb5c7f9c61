/** `gpu-dev admin extend`: lifts the maximum of one reservation. */
import { isId } from "../../../api/names.ts";
import { AT_FORMS, parseAt } from "../../at.ts";
import { defineCommand } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import { duration, parsed, text } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { timeLeft } from "../../output/time.ts";

export const command = defineCommand({
  arguments: [{ name: "id", summary: "The reservation's full id: it may be anybody's", required: true }],
  options: {
    until: text("--until <TIME>", `Its new end, in your time: ${AT_FORMS}`),
    by: parsed("--by <DURATION>", "Or how much is added to its end: 12h, 2d", duration),
    reason: text("--reason <TEXT>", "Why, for its owner and the audit trail"),
  },
  details:
    "Beyond the maximum of its GPU type and its owner's quotas. What was promised to those who wait is kept: more than that allows is refused with the latest end. It is in the audit trail, in the reservation's history, and told by its webhook. For administrators.",
  examples: [
    {
      line: 'gpu-dev admin extend trainbcdefghijklmnop --until "mon 9:00" --reason "paper deadline"',
      meaning: "Runs through the weekend, whatever its type allows",
    },
    {
      line: 'gpu-dev admin extend trainbcdefghijklmnop --by 12h --reason "slow start"',
      meaning: "Twelve hours more",
    },
  ],
  async run([id = ""], { until, by, reason }, ctx): Promise<Output> {
    if (!isId(id))
      throw new UsageError(
        `${JSON.stringify(id)} is no id`,
        "An id has 20 characters; the reservation's owner finds it in `gpu-dev show`.",
      );
    if ((until === undefined) === (by === undefined))
      throw new UsageError("Give --until or --by, one of them");
    if (!reason) throw new UsageError("--reason is missing", "Its owner reads it in the history.");
    const now = ctx.clock.now();
    const end =
      by === undefined
        ? { until: parseAt(until ?? "", now, ctx.timeZone()).toISOString() }
        : { extend_s: by };
    const lifted = await ctx.api().liftReservation({ params: { id }, body: { ...end, reason } });
    return {
      json: lifted,
      header: ["ID", "NAME", "OWNER", "END"],
      rows: [[lifted.id, lifted.name ?? "", lifted.owner, timeLeft(lifted.ends_at, now)]],
    };
  },
});
