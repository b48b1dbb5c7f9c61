/**
 * Rows are checked when they are read: what a column may hold is written once, next to its table, and gives the row
 * its type. A row that does not fit is an error with the table and the column, never a wrong number passed on.
 */

export type Check<T> = (value: unknown) => value is T;
export type Shape = Readonly<Record<string, Check<unknown>>>;
export type Row<S extends Shape> = { [K in keyof S]: S[K] extends Check<infer T> ? T : never };

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export const text: Check<string> = (v): v is string => typeof v === "string";
export const int: Check<number> = (v): v is number => Number.isSafeInteger(v);
/** A boolean, as 0 or 1. */
export const flag: Check<0 | 1> = (v): v is 0 | 1 => v === 0 || v === 1;
/** An instant as text: ISO 8601, UTC, milliseconds. */
export const instant: Check<string> = (v): v is string =>
  typeof v === "string" && INSTANT.test(v) && !Number.isNaN(Date.parse(v));

/** The same column, or null. */
export function nullable<T>(check: Check<T>): Check<T | null> {
  return (v): v is T | null => v === null || check(v);
}

/** One of a closed list of words. */
export function oneOf<const T extends readonly string[]>(words: T): Check<T[number]> {
  return (v): v is T[number] => typeof v === "string" && words.includes(v);
}

/** A row that holds what its table cannot hold: somebody else wrote to the database, or it is damaged. */
export class BadRow extends Error {
  override readonly name = "BadRow";
}

/** Whether `row` is as `shape` describes it, for those who go on without one that is not. */
export const fits = <S extends Shape>(shape: S, row: object): row is Row<S> =>
  Object.entries(shape).every(([column, check]) => check((row as Record<string, unknown>)[column]));

/** `row` as `shape` describes it; throws BadRow with table, column and the row's key. */
export function checkRow<S extends Shape>(table: string, shape: S, row: object): Row<S> {
  const columns = row as Record<string, unknown>;
  for (const [column, check] of Object.entries(shape)) {
    if (check(columns[column])) continue;
    const key = columns.id ?? columns.reservation_id ?? columns.key ?? "";
    throw new BadRow(`${table}.${column} of row ${JSON.stringify(key)} holds a value that it cannot hold`);
  }
  return columns as Row<S>;
}

/** Counts and sums, which pg sends as text. Throws BadRow for anything but a whole number. */
export function count(value: string | number | bigint): number {
  const n = Number(value);
  if (!Number.isSafeInteger(n)) throw new BadRow(`a count is ${JSON.stringify(String(value))}`);
  return n;
}
