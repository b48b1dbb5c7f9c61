/** `gpu-dev token create`: another token of the caller, for a script or a machine. */
import { defineCommand } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import { findReservation } from "../../find.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { text } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { secretOutput } from "../../output/token.ts";
import { expiresOption, scopeOption } from "../../people/options.ts";

export const command = defineCommand({
  arguments: [{ name: "label", summary: "Words by which you know it again", required: true }],
  options: {
    scope: scopeOption,
    expires: expiresOption,
    reservation: text("--reservation <R>", "Good for showing and cancelling this one only", "reservations"),
  },
  details:
    "Prints the token alone on stdout, this once: the server keeps a hash. Scopes: user (all that you may do with reservations, disks and keys), admin (what administrators may do, too), metrics (/metrics only), reservation. A token makes none with more rights than its own, and one that is no administrator's none that is good for longer; when it is revoked, so is what it made.",
  examples: [
    { line: 'gpu-dev token create "ci runner" --expires 30d', meaning: "For a machine; prints it once" },
    {
      line: "gpu-dev token create prometheus --scope metrics > /etc/prometheus/gpu-dev-token",
      meaning: "For /metrics and nothing else (administrators)",
    },
    {
      line: "gpu-dev token create laptop --scope admin --expires 7d",
      meaning: "For what administrators do, for a week",
    },
    {
      line: "gpu-dev token create watcher --reservation train",
      meaning: "Shows and cancels that one reservation, as long as it lives",
    },
  ],
  async run([label = ""], { scope, expires, reservation }, ctx): Promise<Output> {
    if (reservation !== undefined && scope !== undefined && scope !== "reservation")
      throw new UsageError(`--reservation and --scope ${scope} exclude each other`, "Leave one of them out.");
    if (scope === "reservation" && reservation === undefined)
      throw new UsageError("--scope reservation needs --reservation: which one");
    const one = reservation === undefined ? undefined : await findReservation(ctx.api(), reservation);
    const issued = await ctx.api().createToken({
      body: {
        label,
        ...(one ? { scope: "reservation", reservation_id: one.id } : scope === undefined ? {} : { scope }),
        ...(expires === undefined ? {} : { expires_in_s: expires }),
      },
      idempotencyKey: idempotencyKey(),
    });
    return secretOutput(ctx, issued);
  },
});
