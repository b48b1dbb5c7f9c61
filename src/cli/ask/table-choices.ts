/** The rows of a table as choices: what they say fits the terminal, and their columns have a head. */
import type { Choice, Context } from "../context.ts";
import type { Output } from "../output/output.ts";
import { table } from "../output/table.ts";

/** Before each line stands the cursor. */
const MARGIN = 2;

interface TableChoices {
  readonly head: string | undefined;
  readonly choices: readonly Choice[];
}

/** A choice for each row, in their order; `named` has its value, and what stays on the screen once it is chosen. */
export function tableChoices(
  ctx: Context,
  { header, spare, rows }: Required<Pick<Output, "header" | "spare" | "rows">>,
  named: readonly { readonly value: string; readonly short: string }[],
): TableChoices {
  const columns = (ctx.io.stderr.columns ?? 80) - MARGIN;
  const lines = table({ json: undefined, header, spare, rows }, { columns, colour: 0 });
  const [head, ...names] = lines.trimEnd().split("\n");
  return { head, choices: named.map((one, i) => ({ ...one, name: names[i] ?? one.short })) };
}
