/**
 * What a command is: data plus a handler. Parsing, help, completions and docs/cli.md are made from the data;
 * the handler (`run`) gets checked values and returns what to print. Words: *option* is `--name`, *argument* is positional.
 */
import type { Context } from "./context.ts";
import type { Output } from "./output/output.ts";

/** Which live values a shell offers for a word, from the local cache. */
export type Completes =
  | "reservations"
  | "gpu-types"
  | "disks"
  | "contexts"
  | "nodes"
  | "node-labels"
  | "files"
  | "directories"
  | readonly string[];

export interface Option<T> {
  /** As commander reads it: `--gpu-type <TYPE>`, `-y, --yes`, `--no-wait`. */
  readonly flags: string;
  readonly summary: string;
  /** Turns the text of one use into the value; throws a UsageError that says what is accepted. */
  readonly parse?: (text: string, earlier: T) => T;
  readonly completes?: Completes;
  /** Carries the type of the value; never there at run time. */
  readonly value?: T;
}

export interface Argument {
  readonly name: string;
  readonly summary: string;
  readonly required?: boolean;
  readonly variadic?: boolean;
  /** Its words stand behind `--`, whatever stands before it. */
  readonly behindDashes?: boolean;
  readonly completes?: Completes;
}

// biome-ignore lint/suspicious/noExplicitAny: a table of options of all types needs a type that holds each of them.
export type Options = Readonly<Record<string, Option<any>>>;

export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never;
};

interface Example {
  readonly line: string;
  readonly meaning: string;
}

export interface Command<O extends Options = Options> {
  readonly arguments?: readonly Argument[];
  readonly options?: O;
  /** More than the summary says, for `--help` and docs/cli.md. */
  readonly details?: string;
  readonly examples: readonly Example[];
  /** Gets the positional words and the checked options; returns what to print, or the exit code when it is not 0. */
  run(args: readonly string[], options: Values<O>, ctx: Context): Promise<Output | number | undefined>;
}

/** Ties the options' types to the handler's parameter. */
export const defineCommand = <const O extends Options>(command: Command<O>): Command<O> => command;
