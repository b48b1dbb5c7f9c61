/** `gpu-dev edit`: extends or renames a reservation. */
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { findReservation } from "../find.ts";
import { duration, name, parsed } from "../options.ts";
import type { Output } from "../output/output.ts";
import { label } from "../output/reservation.ts";
import { refreshSshFiles } from "../ssh-files.ts";
import { describe } from "./show.ts";

export const command = defineCommand({
  arguments: [
    {
      name: "reservation",
      summary: "Id, name, or the first 4 or more characters of the id",
      required: true,
      completes: "reservations",
    },
  ],
  options: {
    name: parsed("-n, --name <NAME>", "New name", name),
    extend: parsed("--extend <DURATION>", "Add this to its end: 30m, 1h30m, 2d", duration),
  },
  examples: [
    { line: "gpu-dev edit train --extend 2h", meaning: "Two more hours, within the maximum of its GPU type" },
    { line: "gpu-dev edit train --name eval", meaning: "Another name" },
  ],
  async run([word = ""], given, ctx): Promise<Output> {
    if (given.name === undefined && given.extend === undefined)
      throw new UsageError("Nothing to change: give --name, --extend or both");
    const found = await findReservation(ctx.api(), word);
    const changed = await ctx.api().patchReservation({
      params: { id: found.id },
      body: {
        ...(given.name === undefined ? {} : { name: given.name }),
        ...(given.extend === undefined ? {} : { extend_s: given.extend }),
      },
    });
    await refreshSshFiles(ctx);
    ctx.say(`Changed ${label(changed)}`);
    return describe(changed, ctx.clock.now());
  },
});
