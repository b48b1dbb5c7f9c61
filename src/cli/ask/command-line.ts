/** The line that would have asked nothing, so that people learn it from what they were asked. */
import { exactDuration } from "../../api/duration.ts";
import type { Options } from "../command.ts";
import { shellWord } from "../shell-word.ts";

/** `gpu-dev COMMAND` with a flag for each value, in the order of the options; `durations` names those that are in seconds. */
export function commandLine(
  command: string,
  options: Options,
  given: Readonly<Record<string, unknown>>,
  durations: readonly string[],
): string {
  const words = Object.entries(options).flatMap(([key, { flags }]) => {
    const value = given[key];
    const flag = /--[\w-]+/.exec(flags)?.[0] ?? "";
    if (value === undefined || value === false) return [];
    if (value === true) return [flag];
    if (Array.isArray(value)) return value.flatMap((one) => [flag, String(one)]);
    return [flag, durations.includes(key) ? exactDuration(Number(value)) : String(value)];
  });
  return ["gpu-dev", command, ...words].map(shellWord).join(" ");
}
