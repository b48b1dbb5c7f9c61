/** Labels and their texts for a terminal: wrapped instead of cut, with a mark in front where there is something to judge. */
import { textOf, toneOf } from "./cell.ts";
import type { Output } from "./output.ts";
import { createPaint, type Look, type Tone } from "./paint.ts";
import { plain, width } from "./text.ts";

export interface Paragraph {
  readonly mark?: { readonly word: string; readonly tone: Tone };
  readonly title: string;
  readonly tone?: Tone | undefined;
  readonly lines: readonly string[];
}

const GAP = 2;
/** A terminal narrower than that wraps by itself. */
const NARROWEST = 20;

/** The text of all, in columns of marks, titles and lines. */
export function paragraphs(all: readonly Paragraph[], { columns, colour }: Look): string {
  const paint = createPaint(colour);
  const marks = columnWidth(all.map(({ mark }) => mark?.word ?? ""));
  const titles = columnWidth(all.map(({ title }) => title));
  const room = Math.max(NARROWEST, columns - marks - titles);
  return all
    .map(({ mark, title, tone, lines }) => {
      const head = pad(paint.tone(mark?.tone, mark?.word ?? ""), marks - width(mark?.word ?? ""));
      const label = pad(paint.bold(title), titles - width(title));
      const text = lines.flatMap((line) => wrap(plain(line), room)).map((line) => paint.tone(tone, line));
      return `${head}${label}${text.join(`\n${" ".repeat(marks + titles)}`)}`.trimEnd();
    })
    .map((paragraph) => `${paragraph}\n`)
    .join("");
}

/** A list of labels and values. */
export const labelled = (rows: Output["rows"], look: Look): string =>
  paragraphs(
    rows.map(([label = "", value = ""]) => ({
      title: textOf(label),
      lines: [textOf(value)],
      tone: toneOf(value),
    })),
    look,
  );

const pad = (text: string, blanks: number): string => text + " ".repeat(blanks);

/** No column is there for words that are all empty. */
function columnWidth(words: readonly string[]): number {
  const longest = Math.max(...words.map(width));
  return longest === 0 ? 0 : longest + GAP;
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
