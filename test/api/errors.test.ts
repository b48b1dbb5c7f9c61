import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERRORS, type ErrorCode, EXIT, isErrorCode, Problem } from "../../src/api/errors.ts";
import { BODY_ERRORS, COMMON_ERRORS, routes } from "../../src/api/routes.ts";
import { problem } from "../../src/api/schemas.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];

test("C-02 every code has one exit code of the table, never 0", () => {
  const exits = new Set<number>(Object.values(EXIT));
  for (const code of codes) {
    expect(exits).toContain(ERRORS[code].exit);
    expect(ERRORS[code].exit).not.toBe(0);
  }
});

test("A-17 what is retryable exits with try-later or conflict, and is never a fault of the input", () => {
  for (const code of codes.filter((c) => ERRORS[c].retryable)) {
    expect([EXIT.tryLater, EXIT.conflict]).toContain(ERRORS[code].exit);
    expect(ERRORS[code].status === 400).toBe(false);
  }
});

test("A-17 the documentation names what is retryable, and nothing else", () => {
  const text = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
  const [, listed = ""] = /Those that are: (.*?)\. /s.exec(text) ?? [];
  const named = [...listed.matchAll(/`(\w+)`/g)].map(([, code]) => code);
  expect(named.sort()).toEqual(codes.filter((code) => ERRORS[code].retryable).sort());
});

test("A-03 every code makes a problem document of the schema", () => {
  for (const code of codes) {
    const document = new Problem(code, "what happened", {
      hint: "do this",
      errors: [{ field: "gpu_type", code: "unknown", detail: "no such type" }],
    }).document("req-1");
    expect(problem.parse(document)).toEqual(document);
  }
});

test("A-03 the routes name only codes of the list", () => {
  const named = [...COMMON_ERRORS, ...BODY_ERRORS, ...Object.values(routes).flatMap((route) => route.errors)];
  for (const code of named) expect(isErrorCode(code)).toBe(true);
  expect(isErrorCode("toString")).toBe(false);
});
