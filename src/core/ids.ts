/** Random names for things. */
import { randomBytes } from "node:crypto";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const BASE32 = `${LETTERS}234567`;
const LENGTH = 20;

/** 20 characters of base32, the first a letter: a valid host label and file name that nobody can guess. */
export const newId = (): string => idOf(randomBytes(LENGTH));

/** One that is made of these bytes, of which there are 20 at least. */
export function idOf(bytes: Buffer): string {
  const first = LETTERS[(bytes[0] ?? 0) % LETTERS.length];
  return first + Array.from(bytes.subarray(1, LENGTH), (b) => BASE32[b & 31]).join("");
}
