/** What a command hands to the renderer: the API's object for `--json`, and a table for people and pipes. */
import type { Context } from "../context.ts";
import { plain } from "./text.ts";

/** `text` is for a terminal (relative times, marks), `value` for a pipe (whole values, ISO times). */
export type Cell = string | { readonly text: string; readonly value: string };

export interface Output {
  /** Printed whole with `--json`. */
  readonly json: unknown;
  /** None for a list of labels and values. */
  readonly header?: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** The next step, for stderr, when there is no row. */
  readonly empty?: string;
  /** Exit code, when it is not 0. */
  readonly exit?: number;
}

/** Prints to stdout: JSON with `--json`, a table on a terminal, tab-separated values into a pipe (C-01). */
export async function print(ctx: Context, output: Output): Promise<void> {
  if (ctx.global.json) return printJson(ctx, output.json);
  if (output.rows.length === 0) {
    if (output.empty !== undefined) ctx.io.stderr.write(`${output.empty}\n`);
    return;
  }
  const text = ctx.io.stdout.isTTY
    ? (await import("./table.ts")).table(output, ctx.io.stdout.columns ?? 80, ctx.colour.stdout)
    : tsv(output);
  ctx.io.stdout.write(text);
}

/** One JSON document. C1 control characters, which JSON leaves as they are, are escaped: some terminals obey them. */
export function printJson(ctx: Context, json: unknown): void {
  const text = JSON.stringify(json, null, ctx.io.stdout.isTTY ? 2 : undefined);
  const safe = text.replace(/[\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  ctx.io.stdout.write(`${safe}\n`);
}

const tsv = (output: Output): string =>
  output.rows.map((row) => `${row.map((cell) => plain(piped(cell))).join("\t")}\n`).join("");

const piped = (cell: Cell): string => (typeof cell === "string" ? cell : cell.value);
