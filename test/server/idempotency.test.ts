import { expect, test } from "vitest";
import { readIdempotency } from "../../src/server/idempotency.ts";

const read = (key: string | undefined, body: unknown, path = "/v1/reservations") =>
  readIdempotency(
    new Request(`http://h${path}`, {
      method: "POST",
      headers: key === undefined ? {} : { "idempotency-key": key },
    }),
    path,
    body,
  );

test("A-08 the order of members does not make another request; a value, a path does", () => {
  const first = read("k", { a: 1, b: { c: [1, 2], d: null } });
  expect(read("k", { b: { d: null, c: [1, 2] }, a: 1 })).toEqual(first);
  expect(read("k", { a: 1, b: { c: [2, 1], d: null } })?.requestHash).not.toBe(first?.requestHash);
  expect(read("k", { a: 1, b: { c: [1, 2], d: null } }, "/v1/keys")?.requestHash).not.toBe(
    first?.requestHash,
  );
  expect(read(undefined, {})).toBeUndefined();
});

test("A-08 a key has 1 to 255 printable characters", () => {
  expect(read("x".repeat(255), {})?.key).toHaveLength(255);
  for (const key of ["", "a b", "x".repeat(256), "é"])
    expect(() => read(key, {})).toThrow(/Idempotency-Key: must be 1 to 255 printable/);
});
