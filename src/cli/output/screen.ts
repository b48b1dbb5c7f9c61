/** Draws a text on a terminal again and again in the same place. */
import type { Io } from "../context.ts";

export interface Screen {
  /** Replaces what was drawn; nothing is written when it is the same. */
  draw(text: string): void;
}

/** A text with more lines than the terminal is cut, since what has scrolled away cannot be replaced. */
export function createScreen(sink: Io["stdout"]): Screen {
  let drawn = "";
  return {
    draw(text) {
      const fitting = cut(text, (sink.rows ?? 24) - 1);
      if (fitting === drawn) return;
      const up = drawn.split("\n").length - 1;
      sink.write(`${up === 0 ? "" : `\u001b[${up}A`}\r\u001b[0J${fitting}`);
      drawn = fitting;
    },
  };
}

function cut(text: string, rows: number): string {
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length <= rows) return `${lines.join("\n")}\n`;
  const kept = lines.slice(0, rows - 1);
  return `${kept.join("\n")}\n… ${lines.length - kept.length} more lines\n`;
}
