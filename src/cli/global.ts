/** The options that every command has; they may stand anywhere on the line. */
import type { Options } from "./command.ts";
import type { GlobalOptions } from "./context.ts";
import { UsageError } from "./errors.ts";
import { flag, parsed, text } from "./options.ts";

export const GLOBAL_OPTIONS: readonly Options[string][] = [
  flag("--json", "Print one JSON document, errors included"),
  parsed(
    "--fields <LIST>",
    "Print only these fields as JSON: id,state; `--fields help` lists them",
    fieldList,
  ),
  text("--context <NAME>", "Which of the servers that you know to talk to", "contexts"),
  flag("-v, --verbose", "Say more on stderr: requests, retries, causes"),
  flag("--no-color", "No colours"),
  flag("--no-input", "Ask nothing: what is missing is an error that names its flag"),
];

/** Whose values are the next word of the line. */
export const TAKES_A_WORD: readonly string[] = ["--fields", "--context"];

function fieldList(given: string): readonly string[] {
  const fields = given.split(",").map((field) => field.trim());
  if (!fields.includes("")) return fields;
  throw new UsageError(
    `${JSON.stringify(given)} is no list of fields`,
    "Such as id,state; `--fields help` lists them.",
  );
}

/** What can be said of a line that was not understood: how its failure is to be printed. */
export function guessGlobal(argv: readonly string[]): GlobalOptions {
  const own = ownWords(argv);
  return {
    json: own.includes("--json") || own.some((word) => word === "--fields" || word.startsWith("--fields=")),
    verbose: own.includes("-v") || own.includes("--verbose"),
    color: !own.includes("--no-color"),
    input: !own.includes("--no-input"),
    context: undefined,
    // The document of a failure is printed whole.
    fields: undefined,
  };
}

/** `--fields help` is a question, as `--help` is: it needs no argument, and nothing is run. */
export function asksForFields(argv: readonly string[]): boolean {
  const own = ownWords(argv);
  return (
    own.includes("--fields=help") || (own[own.indexOf("--fields") + 1] === "help" && own.includes("--fields"))
  );
}

/** What stands behind `--` belongs to the program that runs in the pod. */
function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end < 0 ? argv : argv.slice(0, end);
}
