/** Findings for a terminal: a mark, a title, and text that is wrapped instead of cut. */
import type { Context } from "../context.ts";
import { plain, width } from "./text.ts";

export interface Paragraph {
  readonly mark: string;
  readonly colour: "green" | "yellow" | "red" | "gray";
  readonly title: string;
  readonly lines: readonly string[];
}

const GAP = 2;
/** A terminal narrower than that wraps by itself. */
const NARROWEST = 20;

/** The text of all; the marks coloured where colours are wanted. */
export async function paragraphs(all: readonly Paragraph[], ctx: Context): Promise<string> {
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: ctx.colour.stdout ? 1 : 0 });
  const marks = Math.max(...all.map(({ mark }) => mark.length)) + GAP;
  const titles = Math.max(...all.map(({ title }) => title.length)) + GAP;
  const room = Math.max(NARROWEST, (ctx.io.stdout.columns ?? 80) - marks - titles);
  return all
    .map(({ mark, colour, title, lines }) => {
      const head = chalk[colour](mark) + " ".repeat(marks - mark.length) + chalk.bold(title.padEnd(titles));
      const text = lines.flatMap((line) => wrap(plain(line), room));
      return `${head}${text.join(`\n${" ".repeat(marks + titles)}`)}\n`;
    })
    .join("");
}

/** At blanks; a word that is longer than the room stays whole. */
function wrap(text: string, room: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && width(last) + 1 + width(word) <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
