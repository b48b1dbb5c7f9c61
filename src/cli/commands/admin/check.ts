/** `gpu-dev admin check`: what the database and the drivers say differently. */
import type { Check } from "../../../api/check.ts";
import { EXIT } from "../../../api/errors.ts";
import { defineCommand } from "../../command.ts";
import { toned } from "../../output/cell.ts";
import type { Cell, Output } from "../../output/output.ts";

const EXITS: Readonly<Record<Check["status"], number>> = {
  ok: EXIT.ok,
  differences: EXIT.error,
  unknown: EXIT.tryLater,
};

export const command = defineCommand({
  options: {},
  details:
    "Compares the GPUs that are held, the pods and the disks with what the drivers report, and changes nothing. Exits with 1 when there are differences, and with 75 when none was found but something could not be asked. The server mends by itself what it can, within minutes: pods and disks that nothing names, and reservations whose pod is gone. For administrators.",
  examples: [
    { line: "gpu-dev admin check", meaning: "After a crash or a restored backup: is all as it should be?" },
    { line: "gpu-dev admin check --json", meaning: "The same for a script, with what could not be asked" },
  ],
  async run(_args, _options, ctx): Promise<Output> {
    const found = await ctx.api().checkDeployment({});
    return {
      json: found,
      header: ["PART", "FOUND", "ID", "DETAIL"],
      rows: found.parts.flatMap(rowsOf),
      empty: `No differences: ${found.parts.map(({ part }) => part).join(", ")}.`,
      exit: EXITS[found.status] ?? EXIT.error,
    };
  },
});

const rowsOf = ({ part, error, differences }: Check["parts"][number]): Cell[][] => [
  ...(error === null ? [] : [[part, toned("could not be asked", "warn"), "", error]]),
  ...differences.map(({ kind, id, detail }) => [part, toned(kind, "bad"), id, detail]),
];
