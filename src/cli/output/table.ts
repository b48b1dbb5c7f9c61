/** The table of a terminal (cli-table3): fits the width, drops columns without a value; lists are cut with an ellipsis, single values wrapped (C-13). */
import { Chalk } from "chalk";
import CliTable from "cli-table3";
import type { Cell, Output } from "./output.ts";
import { plain, width } from "./text.ts";

const GAP = 2;
/** Narrower than this, a column says nothing any more. */
const NARROWEST = 6;

const NO_BORDER = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ].map((name) => [name, ""]),
);

/** Renders `output` for a terminal of `columns` columns. */
export function table(output: Output, columns: number, colour: boolean): string {
  const chalk = new Chalk({ level: colour ? 1 : 0 });
  const rows = output.rows.map((row) => row.map((cell) => plain(shown(cell))));
  const header = output.header ?? [];
  const kept = columnsWithValues(rows);
  const lines = [header, ...rows].map((row) => kept.map((i) => row[i] ?? ""));
  const widths = shrink(naturalWidths(lines), columns);
  const made = new CliTable({
    chars: NO_BORDER,
    style: { "padding-left": 0, "padding-right": GAP, head: [], border: [], compact: true },
    colWidths: widths.map((w) => w + GAP),
    truncate: "…",
    // A list keeps a line for each row; labels and values have room below.
    wordWrap: output.header === undefined,
  });
  const body = lines.slice(1).map((row) => (output.header ? row : bold(row, chalk)));
  if (output.header) made.push((lines[0] ?? []).map((title) => chalk.bold(title)));
  made.push(...body);
  return `${made.toString().replace(/[ \t]+$/gm, "")}\n`;
}

const shown = (cell: Cell): string => (typeof cell === "string" ? cell : cell.text);

/** The labels of a list of labels and values. */
const bold = ([label = "", ...values]: string[], chalk: InstanceType<typeof Chalk>): string[] => [
  chalk.bold(label),
  ...values,
];

function columnsWithValues(rows: readonly (readonly string[])[]): number[] {
  const count = Math.max(...rows.map((row) => row.length));
  return Array.from({ length: count }, (_, i) => i).filter((i) => rows.some((row) => (row[i] ?? "") !== ""));
}

function naturalWidths(lines: readonly (readonly string[])[]): number[] {
  return (lines[0] ?? []).map((_, i) => Math.max(...lines.map((row) => width(row[i] ?? ""))));
}

/** Takes what is too much from the widest column, one by one, until the line fits or nothing more can be taken. */
function shrink(natural: readonly number[], columns: number): number[] {
  const widths = [...natural];
  const total = (): number => widths.reduce((sum, w) => sum + w + GAP, -GAP);
  while (total() > columns) {
    const widest = Math.max(...widths);
    if (widest <= NARROWEST) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}
