/** Draws a text on a terminal again and again in the same place. */
import type { Io } from "../context.ts";
import { plain, width } from "./text.ts";

export interface Screen {
  /** Replaces what was drawn; nothing is written when it is the same. */
  draw(text: string): void;
}

/** A text that is higher than the terminal is cut, since what has scrolled away cannot be replaced. */
export function createScreen(sink: Io["stdout"]): Screen {
  let drawn: readonly string[] = [];
  return {
    draw(text) {
      const columns = sink.columns ?? 80;
      const lines = cut(text.replace(/\n$/, "").split("\n"), columns, (sink.rows ?? 24) - 1);
      if (lines.join("\n") === drawn.join("\n")) return;
      const up = heightOf(drawn, columns);
      sink.write(`${up === 0 ? "" : `\u001b[${up}A`}\r\u001b[0J${lines.join("\n")}\n`);
      drawn = lines;
    },
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences, and take no room.
const COLOUR = /\u001b\[[0-9;]*m/g;

/** Rows of the terminal: a line that is longer than it is wide goes on in the next one. */
const heightOf = (lines: readonly string[], columns: number): number =>
  lines.reduce(
    (sum, line) => sum + Math.max(1, Math.ceil(width(plain(line.replace(COLOUR, ""))) / columns)),
    0,
  );

function cut(lines: readonly string[], columns: number, rows: number): readonly string[] {
  if (heightOf(lines, columns) <= rows) return lines;
  let kept = lines.length;
  while (kept > 0 && heightOf(lines.slice(0, kept), columns) > rows - 1) kept -= 1;
  return [...lines.slice(0, kept), `… ${lines.length - kept} more lines`];
}
