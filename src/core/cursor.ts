/** Cursors of lists: base64url of (sort value, id, filter hash). They are opaque to clients and checked when they return. */
import { createHash } from "node:crypto";
import { Problem } from "../api/errors.ts";
import type { Page } from "../api/schemas.ts";

export const DEFAULT_LIMIT = 100;

export interface PageQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** The page of at most `limit` items out of `rows`, which were asked for with one more than that. */
export function pageOf<R, T>(
  rows: readonly R[],
  items: T[],
  limit: number,
  filter: unknown,
  position: (row: R) => readonly [sort: string | number, id: string],
): Page<T> {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: items.slice(0, limit),
    next_cursor: last === undefined ? null : encode([...position(last), hashOf(filter)]),
  };
}

/** The page of a list that is there whole, sorted by a name that no two of it share. */
export function pageOfNamed<T>(
  all: readonly T[],
  query: PageQuery,
  list: string,
  nameOf: (item: T) => string,
): Page<T> {
  const { limit = DEFAULT_LIMIT } = query;
  const after = cursorPosition(query.cursor, [list], "text") ?? "";
  const sorted = all.filter((item) => nameOf(item) > after).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const rows = sorted.slice(0, limit + 1);
  return pageOf(rows, rows, limit, [list], (item) => [nameOf(item), nameOf(item)]);
}

/** The sort value after which the next page begins; undefined without a cursor. Throws Problem for a foreign one. */
export function cursorPosition(
  cursor: string | undefined,
  filter: unknown,
  sort: "number",
): number | undefined;
export function cursorPosition(
  cursor: string | undefined,
  filter: unknown,
  sort: "text" | "name",
): string | undefined;
export function cursorPosition(
  cursor: string | undefined,
  filter: unknown,
  sort: "number" | "text" | "name",
): string | number | undefined {
  if (cursor === undefined) return undefined;
  const parts = decode(cursor);
  if (!Array.isArray(parts) || parts.length !== 3) throw badCursor("it is not a cursor of this list");
  const [value, , hash] = parts;
  if (hash !== hashOf(filter)) throw badCursor("it belongs to another list or other filters");
  // Cursors are opaque, not signed: one that was made by hand must not reach the database unchecked.
  if (!FITS[sort](value)) throw badCursor("it is not a cursor of this list");
  return value;
}

/** What each kind of position can be; a name is that of a file, which no database is asked for. */
const FITS: Record<"number" | "text" | "name", (value: unknown) => boolean> = {
  number: (value) => Number.isSafeInteger(value),
  text: (value) => typeof value === "string" && /^[\x20-\x7e]{1,255}$/.test(value),
  name: (value) => typeof value === "string" && /^\P{Cc}{1,1020}$/u.test(value),
};

const encode = (parts: readonly unknown[]): string =>
  Buffer.from(JSON.stringify(parts)).toString("base64url");

function decode(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const hashOf = (filter: unknown): string =>
  createHash("sha256").update(JSON.stringify(filter)).digest("base64url").slice(0, 16);

function badCursor(why: string): Problem {
  return new Problem("invalid_input", `cursor: ${why}; start again without one`, {
    errors: [{ field: "cursor", code: "invalid", detail: why }],
  });
}
