/** ETag and If-Match (RFC 9110, 8.8.3 and 13.1.1): a tag names the version of a thing, so that a change can ask that nobody was faster. */
import { Problem } from "../api/errors.ts";

const TAG = /^(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/;

export const etagOf = (version: number): string => `"${version}"`;

/**
 * The versions that an If-Match header takes; undefined for "any" and without one. A tag that is not ours names no version. A compressed
 * answer has the weak form of its tag, which says the same here. Throws Problem invalid_input for what is no tag.
 */
export function readIfMatch(header: string | undefined): readonly number[] | undefined {
  if (header === undefined || header.trim() === "*") return undefined;
  return header.split(",").map((part) => {
    const tag = TAG.exec(part.trim())?.[1];
    if (tag === undefined) throw badTag();
    return /^\d{1,15}$/.test(tag) ? Number(tag) : -1;
  });
}

/** For a change that cannot depend on a version. Throws Problem invalid_input. */
export function refuseIfMatch(): never {
  throw bad("unknown", "is not known here");
}

const badTag = (): Problem => bad("format", 'must be the ETag of an earlier answer, as in "7"');

const bad = (code: string, detail: string): Problem =>
  new Problem("invalid_input", `If-Match: ${detail}`, { errors: [{ field: "If-Match", code, detail }] });
