/** What a cell says where. */
import type { Cell } from "./output.ts";
import type { Tone } from "./paint.ts";
import { plain } from "./text.ts";

/** A text in the colour of its meaning, where colours are wanted. */
export const toned = (text: string, tone: Tone | undefined): Cell =>
  tone === undefined ? text : { text, value: text, tone };

/** For a terminal. */
export const textOf = (cell: Cell): string => plain(typeof cell === "string" ? cell : cell.text);

/** For a pipe: the whole value. */
export const pipedOf = (cell: Cell): string => plain(typeof cell === "string" ? cell : cell.value);

export const toneOf = (cell: Cell): Tone | undefined => (typeof cell === "string" ? undefined : cell.tone);
