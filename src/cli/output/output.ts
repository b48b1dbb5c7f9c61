/** What a command hands to the renderer: the API's object for `--json`, and a table for people and pipes. */
import type { Context } from "../context.ts";
import { pipedOf } from "./cell.ts";
import type { Look, Tone } from "./paint.ts";
import { pick } from "./pick.ts";

/** `text` is for a terminal (relative times, marks), in the colour of its meaning; `value` for a pipe (whole values, ISO times). */
export type Cell = string | { readonly text: string; readonly value: string; readonly tone?: Tone };

export interface Output {
  /** Printed whole with `--json`. */
  readonly json: unknown;
  /** Of an output that is watched, what makes it another one, where `json` also tells how much time has passed. */
  readonly watched?: unknown;
  /** None for a list of labels and values. */
  readonly header?: readonly string[];
  /** Columns, by their titles, that a terminal without room for all leaves out, the first of them first. */
  readonly spare?: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** The next step, for stderr, when there is no row. */
  readonly empty?: string;
  /** Exit code, when it is not 0. */
  readonly exit?: number;
}

/** Prints to stdout: JSON with `--json`, a table on a terminal, tab-separated values into a pipe (C-01). */
export async function print(ctx: Context, output: Output): Promise<void> {
  if (ctx.global.json) return printJson(ctx, pick(output.json, ctx.global.fields));
  if (output.rows.length === 0) {
    if (output.empty !== undefined) ctx.io.stderr.write(`${output.empty}\n`);
    return;
  }
  ctx.io.stdout.write(await render(ctx, output));
}

/** The table of a terminal, or the lines of a pipe; empty without a row. */
export async function render(ctx: Context, output: Output): Promise<string> {
  if (output.rows.length === 0) return "";
  if (!ctx.io.stdout.isTTY) return tsv(output);
  const look = lookOf(ctx);
  const { header } = output;
  if (header === undefined) return (await import("./paragraphs.ts")).labelled(output.rows, look);
  return (await import("./table.ts")).table({ ...output, header }, look);
}

/** A terminal that does not say how wide it is has 80 columns, as ever. */
export const lookOf = (ctx: Context): Look => ({
  columns: ctx.io.stdout.columns ?? 80,
  colour: ctx.colour.stdout,
});

/** One JSON document. */
export const printJson = (ctx: Context, json: unknown): void =>
  writeJson(ctx, JSON.stringify(json, null, ctx.io.stdout.isTTY ? 2 : undefined));

/** One JSON document of several, on a line of its own. */
export const printLine = (ctx: Context, json: unknown): void => writeJson(ctx, JSON.stringify(json));

/** C1 control characters, which JSON leaves as they are, are escaped: some terminals obey them. */
function writeJson(ctx: Context, text: string): void {
  const safe = text.replace(/[\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  ctx.io.stdout.write(`${safe}\n`);
}

const tsv = (output: Output): string => output.rows.map((row) => `${row.map(pipedOf).join("\t")}\n`).join("");
