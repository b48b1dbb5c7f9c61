/** The kinds of options, and how their texts become values: exact or refused, with the accepted forms. */
import { DURATION_FORMS, parseDuration } from "../api/duration.ts";
import { githubNameFault, nameFault } from "../api/names.ts";
import { nearest } from "../api/nearest.ts";
import type { Completes, Option } from "./command.ts";
import { UsageError } from "./errors.ts";

/** An option without a value. */
export const flag = (flags: string, summary: string): Option<boolean> => ({ flags, summary });

/** An option with any text as its value. */
export const text = (flags: string, summary: string, completes?: Completes): Option<string | undefined> => ({
  flags,
  summary,
  ...(completes === undefined ? {} : { completes }),
});

/** An option whose text is turned into a value by `parse`. */
export const parsed = <T>(
  flags: string,
  summary: string,
  parse: (text: string) => T,
): Option<T | undefined> => ({ flags, summary, parse });

/** An option that may be given several times. */
export const repeated = <T>(
  flags: string,
  summary: string,
  parse: (text: string) => T,
  completes?: Completes,
): Option<readonly T[] | undefined> => ({
  flags,
  summary,
  ...(completes === undefined ? {} : { completes }),
  parse: (given, earlier) => [...(earlier ?? []), parse(given)],
});

/** An option with one of a closed list of texts. */
export const choice = <const C extends readonly string[]>(
  flags: string,
  summary: string,
  choices: C,
): Option<C[number] | undefined> => ({
  flags,
  summary: `${summary}: ${choices.join(", ")}`,
  completes: choices,
  parse(given) {
    if (choices.includes(given)) return given;
    const meant = nearest(given, choices);
    throw new UsageError(
      choices.length === 1
        ? `${JSON.stringify(given)} is not ${choices[0]}`
        : `${JSON.stringify(given)} is none of ${choices.join(", ")}`,
      meant === undefined ? undefined : `Did you mean ${meant}?`,
    );
  },
});

/** Integer seconds of a duration. */
export function duration(given: string): number {
  const seconds = parseDuration(given);
  if (seconds !== undefined && seconds > 0) return seconds;
  const why =
    seconds === 0
      ? "a duration must be more than 0"
      : /^\d+(\.\d+)?$/.test(given)
        ? `${JSON.stringify(given)} has no unit`
        : `${JSON.stringify(given)} is not a duration of whole seconds`;
  throw new UsageError(`${why}; write ${DURATION_FORMS}`);
}

/** A whole number of 0 or more. */
export function count(given: string): number {
  if (/^\d{1,6}$/.test(given)) return Number(given);
  throw new UsageError(`${JSON.stringify(given)} is not a whole number from 0 to 999999`);
}

/** A reservation's name by the contract's rule. */
export function name(given: string): string {
  const fault = nameFault(given);
  if (!fault) return given;
  const hint = fault.suggestion === undefined ? undefined : `Try ${JSON.stringify(fault.suggestion)}.`;
  throw new UsageError(`${JSON.stringify(given)} cannot be a name: ${fault.detail}`, hint);
}

/** Who a reservation is shared with: a user's name, or `github:NAME`. */
export function collaborator(given: string): string {
  const fault =
    given === "" || given.length > 100
      ? "a name has 1 to 100 characters"
      : given.startsWith("github:")
        ? githubNameFault(given.slice("github:".length))
        : undefined;
  if (fault === undefined) return given;
  throw new UsageError(
    `${JSON.stringify(given)} names nobody: ${fault}`,
    "Give the name of a user of the server, or github:NAME.",
  );
}

/** What every command has that can be watched. */
export const watching = {
  watch: flag("-w, --watch", "Show it again after each change, until Ctrl-C (exit 130)"),
  timeout: parsed("--timeout <DURATION>", "With --watch: stop after this (exit 8; default: 24h)", duration),
};

/** `--timeout` says how long to watch, and nothing else. Throws UsageError without `--watch`. */
export function checkWatching(given: {
  readonly watch: boolean;
  readonly timeout: number | undefined;
}): void {
  if (given.timeout !== undefined && !given.watch)
    throw new UsageError("--timeout needs --watch: without it nothing is waited for");
}
