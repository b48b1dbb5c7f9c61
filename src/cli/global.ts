/** The options that every command has; they may stand anywhere on the line. */
import type { Options } from "./command.ts";
import type { GlobalOptions } from "./context.ts";
import { flag, text } from "./options.ts";

export const GLOBAL_OPTIONS: readonly Options[string][] = [
  flag("--json", "Print one JSON document, errors included"),
  text("--context <NAME>", "Which of the configured servers to talk to"),
  flag("-v, --verbose", "Say more on stderr: requests, retries, causes"),
  flag("--no-color", "No colours"),
];

/** What can be said of a line that was not understood: how its failure is to be printed. */
export function guessGlobal(argv: readonly string[]): GlobalOptions {
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  return {
    json: own.includes("--json"),
    verbose: own.includes("-v") || own.includes("--verbose"),
    color: !own.includes("--no-color"),
    context: undefined,
  };
}
