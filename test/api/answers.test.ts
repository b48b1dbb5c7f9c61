/** What is in answers, by the schemas of all of them. */
import { expect, test } from "vitest";
import * as z from "zod";
import { contract } from "../../src/api/contract.ts";
import { alternativesOf, elementOf, membersOf, type Schema } from "../../src/api/shape.ts";

/** Every field of every answer, as `route.items.field`, with what it holds. */
const fields = Object.entries(contract).flatMap(([route, { reply }]) => [...fieldsOf(reply, route)]);

function* fieldsOf(schema: Schema, path: string): Generator<readonly [path: string, leaf: Schema]> {
  for (const one of alternativesOf(schema)) {
    const element = elementOf(one);
    const members = Object.entries(membersOf(one));
    if (element) yield* fieldsOf(element, path);
    for (const [name, member] of members) yield* fieldsOf(member, `${path}.${name}`);
    if (!element && members.length === 0) yield [path, one];
  }
}

const named = (pattern: RegExp) => fields.filter(([path]) => pattern.test(path));
const isWhole = (leaf: Schema): boolean => leaf instanceof z.ZodNumber && leaf.format === "safeint";

test("A-16 every number of every answer is a whole one: a count, seconds, bytes or micro-dollars", () => {
  const numbers = fields.filter(([, leaf]) => leaf instanceof z.ZodNumber);
  expect(numbers.length).toBeGreaterThan(50);
  expect(numbers.filter(([, leaf]) => !isWhole(leaf)).map(([path]) => path)).toEqual([]);
});

test("A-16 what a name says of its unit is so in every answer", () => {
  for (const [pattern, least] of [
    [/(?:_s|_ms|_bytes|_count|_attempts)$/, 20],
    [/\.price(?:_per_hour)?$/, 2],
  ] as const) {
    expect(named(pattern).length).toBeGreaterThanOrEqual(least);
    expect(
      named(pattern)
        .filter(([, leaf]) => !isWhole(leaf))
        .map(([path]) => path),
    ).toEqual([]);
  }
});

test("A-10 what ends in _at or _until is an instant in every answer, or null", () => {
  const instants = named(/_(?:at|until)$/);
  expect(instants.length).toBeGreaterThan(30);
  expect(instants.filter(([, leaf]) => !(leaf instanceof z.ZodISODateTime)).map(([path]) => path)).toEqual(
    [],
  );
});
