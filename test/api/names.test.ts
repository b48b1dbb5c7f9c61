import { expect, test } from "vitest";
import { id8, isId, nameFault } from "../../src/api/names.ts";

test.each(["a", "hello", "a-b", "0", "a".repeat(63), "1--2"])("C-11 %s is a name", (name) => {
  expect(nameFault(name)).toBeUndefined();
});

test.each([
  ["", "at least one character", undefined],
  ["Hello", '"H"', "hello"],
  ["my job", '" "', "my-job"],
  ["-x", "starts and ends", "x"],
  ["x-", "starts and ends", "x"],
  ["a".repeat(64), "64 characters", "a".repeat(63)],
  ["näme", '"ä"', "n-me"],
  ["😀", '"😀"', undefined],
  ["a_b", '"_"', "a-b"],
  [`${"a".repeat(62)}__b`, '"_"', "a".repeat(62)],
])("C-11 %j is refused with the offending character and a name that would do", (name, words, suggestion) => {
  const fault = nameFault(name);
  expect(fault?.detail).toContain(words);
  expect(fault?.suggestion).toBe(suggestion);
  if (suggestion !== undefined) expect(nameFault(suggestion)).toBeUndefined();
});

test("an id is 20 characters of lower-case base32, the first a letter", () => {
  expect(isId("abcdefghij2345672345")).toBe(true);
  for (const other of [
    "2bcdefghij2345672345",
    "abcdefghij234567234",
    "abcdefghij23456723451",
    "ABCDEFGHIJ2345672345",
    "abcdefghij0189672345",
  ])
    expect(isId(other)).toBe(false);
  expect(id8("abcdefghij2345672345")).toBe("abcdefgh");
});
