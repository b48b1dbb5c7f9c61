/** What a token looks like: 256 bits behind a prefix by which scanners for leaked secrets know it. */
import { createHash } from "node:crypto";

/** So much of a token is kept and shown: 220 of its bits stay unknown. */
const SHOWN = 9;

export const tokenOf = (bits: Buffer): string => `gd_${bits.toString("base64url")}`;

/** Whether it has the form of a token. */
export const isToken = (text: string): boolean => /^gd_[A-Za-z0-9_-]{43}$/.test(text);

/** SHA-256 in hex: all that is stored of a token, but for how it begins. */
export const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

/** How it begins, by which its owner knows it again. */
export const prefixOf = (token: string): string => token.slice(0, SHOWN);
