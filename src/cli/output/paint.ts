/** Colours by meaning. Each is readable on black and on white, and none is the only sign of something: a word says the same. */
import { Chalk } from "chalk";

export type Tone = "good" | "warn" | "bad" | "dim";

/** None, the 16 of the user's own theme, or the fixed 256. */
export type ColourLevel = 0 | 1 | 2;

/** Of the 256 those in the middle between black and white; a test computes their contrasts. */
export const FIXED: Readonly<Record<Tone, number>> = { good: 28, warn: 130, bad: 160, dim: 243 };

/** Of a theme's 16, yellow is unreadable on many a white, and grey on many a black. */
const THEMED = { good: "green", warn: "magenta", bad: "red", dim: "reset" } as const;

/** How the terminal is: its columns, and which colours it shows. */
export interface Look {
  readonly columns: number;
  readonly colour: ColourLevel;
}

interface Paint {
  bold(text: string): string;
  tone(tone: Tone | undefined, text: string): string;
}

/** Paints for a terminal of that level; level 0 leaves texts as they are. */
export function createPaint(level: ColourLevel): Paint {
  const chalk = new Chalk({ level });
  const ink = (tone: Tone) => (level === 2 ? chalk.ansi256(FIXED[tone]) : chalk[THEMED[tone]]);
  return {
    bold: (text) => chalk.bold(text),
    tone: (tone, text) => (tone === undefined ? text : ink(tone)(text)),
  };
}
