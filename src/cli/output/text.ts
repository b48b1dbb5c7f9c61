/** Text from elsewhere, made safe for a terminal. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;

/** One line without control characters and direction marks, which could move the cursor or hide text. */
export const plain = (text: string): string => text.replace(CONTROL, " ");

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** Columns that `text` takes on a terminal: two for wide characters, none for combining marks (C-13). */
export const width = (text: string): number =>
  [...text.normalize()].reduce((sum, c) => sum + (/\p{Mark}/u.test(c) ? 0 : WIDE.test(c) ? 2 : 1), 0);
