/** Random names for things. */
import { randomBytes } from "node:crypto";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const BASE32 = `${LETTERS}234567`;
const LENGTH = 20;

/** 20 characters of base32, the first a letter: a valid host label and file name that nobody can guess. */
export function newId(): string {
  const bytes = randomBytes(LENGTH);
  const first = LETTERS[(bytes[0] ?? 0) % LETTERS.length];
  return first + Array.from(bytes.subarray(1), (b) => BASE32[b & 31]).join("");
}
