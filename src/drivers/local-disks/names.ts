/**
 * Names of files are bytes, and what is told of them is text: `\xNN` stands for a byte that is a control character or not UTF-8,
 * `\\` for a backslash. In here names are latin1 strings, one character to a byte, whose order is that of the bytes.
 */
import { isUtf8 } from "node:buffer";

const PLAIN = /^[ -[\]-~]*$/;
const TO_ESCAPE = /[\\\p{Cc}]/gu;

/** The text of a latin1 name. */
export function textOf(name: string): string {
  if (PLAIN.test(name)) return name;
  const bytes = Buffer.from(name, "latin1");
  return isUtf8(bytes)
    ? bytes.toString("utf8").replace(TO_ESCAPE, escaped)
    : // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      name.replace(/[\\\x00-\x1f\x7f-\xff]/g, (byte) => escaped(byte, "latin1"));
}

function escaped(character: string, encoding: BufferEncoding | number = "utf8"): string {
  if (character === "\\") return "\\\\";
  const bytes = Buffer.from(character, encoding === "latin1" ? "latin1" : "utf8");
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/** The latin1 name that textOf made this text of. */
export function nameOf(text: string): string {
  return text.replace(/\\\\|\\x([0-9a-f]{2})|[^\\]+/g, (part, hex?: string) => {
    if (part === "\\\\") return "\\";
    return hex === undefined
      ? Buffer.from(part, "utf8").toString("latin1")
      : String.fromCharCode(Number.parseInt(hex, 16));
  });
}

/** A latin1 path for the file system. */
export const bytesOf = (path: string): Buffer => Buffer.from(path, "latin1");

/** The latin1 form of a path that is ordinary text. */
export const latin1Of = (path: string): string => Buffer.from(path).toString("latin1");
