/** The table of a terminal (cli-table3): fits the width, leaves out what is empty or spare, and cuts only with an ellipsis (C-13). */
import CliTable from "cli-table3";
import { textOf, toneOf } from "./cell.ts";
import type { Output } from "./output.ts";
import { createPaint, type Look } from "./paint.ts";
import { width } from "./text.ts";

const GAP = 2;
/** What a column may ask for before others are left out: one long text is cut instead. */
const FAIR = 20;
/** Narrower than the first, a column says little; narrower than the second, nothing. */
const NARROWEST = [6, 3] as const;

const NO_BORDER = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ].map((name) => [name, ""]),
);

/** A list with a header: one line for each row. */
type List = Output & { readonly header: readonly string[] };

/** Renders `list` for a terminal that looks so. */
export function table(list: List, { columns, colour }: Look): string {
  const paint = createPaint(colour);
  const kept = keptColumns(list, columns);
  const widths = shrink(
    kept.map((i) => naturalWidth(list, i)),
    columns,
  );
  const made = new CliTable({
    chars: NO_BORDER,
    style: { "padding-left": 0, "padding-right": GAP, head: [], border: [], compact: true },
    colWidths: widths.map((w) => w + GAP),
    truncate: "…",
  });
  made.push(kept.map((i) => paint.bold(list.header[i] ?? "")));
  for (const row of list.rows)
    made.push(kept.map((i) => row[i] ?? "").map((cell) => paint.tone(toneOf(cell), textOf(cell))));
  return `${made.toString().replace(/[ \t]+$/gm, "")}\n`;
}

/** Those with a value, without the spare ones for which there is no room. */
function keptColumns(list: List, columns: number): number[] {
  let kept = list.header.map((_, i) => i).filter((i) => list.rows.some((row) => textOf(row[i] ?? "") !== ""));
  const needed = (): number => total(kept.map((i) => Math.min(naturalWidth(list, i), FAIR)));
  for (const title of list.spare ?? []) {
    if (needed() <= columns) break;
    kept = kept.filter((i) => list.header[i] !== title);
  }
  return kept;
}

const naturalWidth = ({ header, rows }: List, i: number): number =>
  Math.max(width(header[i] ?? ""), ...rows.map((row) => width(textOf(row[i] ?? ""))));

const total = (widths: readonly number[]): number => widths.reduce((sum, w) => sum + w + GAP, -GAP);

/** Takes what is too much from the widest column, one by one, until the line fits or nothing more can be taken. */
function shrink(natural: readonly number[], columns: number): number[] {
  const widths = [...natural];
  for (const narrowest of NARROWEST)
    while (total(widths) > columns && Math.max(...widths) > narrowest) {
      const widest = Math.max(...widths);
      widths[widths.indexOf(widest)] = widest - 1;
    }
  return widths;
}
