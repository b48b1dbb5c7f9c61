import { expect, test } from "vitest";
import * as z from "zod";
import { createReservation, listReservationsQuery, patchReservation } from "../../src/api/reservations.ts";
import { noQuery } from "../../src/api/schemas.ts";
import { check, inputProblem, readQuery } from "../../src/server/validate.ts";

const body = (input: unknown) => check(createReservation, input, "body");
const fields = (errors: readonly { field: string; code: string }[]) =>
  errors.map((e) => `${e.field} ${e.code}`);

test("A-03 every offending field is named at once, by its wire name", () => {
  const { errors } = body({ gpu_type: 7, gpu_count: 1.5, duration_s: 0, name: "Hello", colour: "red", x: 1 });
  expect(fields(errors).sort()).toEqual([
    "colour unknown",
    "duration_s too_small",
    "gpu_count type",
    "gpu_type type",
    "name invalid",
    "x unknown",
  ]);
});

test("A-05 zero and negative values get the message of their bound, not 'missing'", () => {
  const detail = (input: object) => body({ gpu_type: "cpu", ...input }).errors[0]?.detail;
  expect(detail({ duration_s: 0 })).toBe("at least 60 (one minute)");
  expect(detail({ duration_s: -5 })).toBe("at least 60 (one minute)");
  expect(detail({ duration_s: 60, gpu_count: -1 })).toBe("must be at least 0");
  expect(detail({})).toBe("is required");
  expect(detail({ duration_s: 1e300 })).toMatch(/at most|whole number/);
});

test("A-05 strings have lengths, choices are listed, and null is not missing", () => {
  expect(body({ gpu_type: "", duration_s: 60 }).errors[0]?.detail).toBe("must not be empty");
  expect(body({ gpu_type: "x".repeat(64), duration_s: 60 }).errors[0]?.code).toBe("too_big");
  expect(body({ gpu_type: null, duration_s: 60 }).errors).toEqual([
    { field: "gpu_type", code: "type", detail: "must be a string" },
  ]);
  expect(body({ gpu_type: "cpu", duration_s: 60, disk: "" }).errors[0]?.detail).toBe("must not be empty");
  expect(body({ gpu_type: "cpu", duration_s: 60, disk: null }).errors).toEqual([]);
  const state = check(listReservationsQuery, { state: "gone" }, "query");
  expect(state.errors[0]?.detail).toMatch(/^must be one of live, all, queued, /);
});

test("A-05 a webhook whose user or password cannot be decoded is refused, what is encoded is not", () => {
  const webhook = (url: string) => body({ gpu_type: "cpu", duration_s: 60, webhook: url }).errors;
  for (const user of ["%ZZ", "u:%ZZ", "100%"])
    expect(webhook(`https://${user}@ci.test/`)).toEqual([
      {
        field: "webhook",
        code: "invalid",
        detail: "has a user or password with a % that begins no encoded character",
      },
    ]);
  expect(webhook("https://u:p%40@ci.test/100%")).toEqual([]);
  expect(webhook("ci").map(({ detail }) => detail)).toEqual(["must be an http or https URL"]);
});

test("A-05 a name is refused with the offending character and a name that would do", () => {
  const { errors } = body({ gpu_type: "cpu", duration_s: 60, name: "My Box" });
  expect(errors[0]?.detail).toBe('"M" is not allowed; use a-z, 0-9 and "-"; try "my-box"');
});

test("A-05 something that is no object, and an empty patch, are errors of the body", () => {
  for (const input of [[], null, "x", 3, undefined])
    expect(fields(body(input).errors)).toEqual([`body ${input === undefined ? "required" : "type"}`]);
  expect(check(patchReservation, {}, "body").errors).toEqual([
    { field: "body", code: "invalid", detail: "give at least one field" },
  ]);
});

test("A-05 X-03 members with names of the prototype are unknown fields like any other", () => {
  const input: unknown = JSON.parse(
    '{"gpu_type":"cpu","duration_s":60,"__proto__":{"queue":false},"constructor":1}',
  );
  expect(fields(body(input).errors).sort()).toEqual(["__proto__ unknown", "constructor unknown"]);
  const { values } = readQuery("http://h/?__proto__=x");
  expect(fields(check(noQuery, values, "query").errors)).toEqual(["__proto__ unknown"]);
});

test("A-05 X-03 a NUL character is refused in every string, by its field", () => {
  const { errors } = body({ gpu_type: "h\u0000", duration_s: 60 });
  expect(errors).toEqual([{ field: "gpu_type", code: "format", detail: "must not have a NUL character" }]);
});

test("A-05 repeated query parameters are refused, each once", () => {
  const { errors } = readQuery("http://h/?limit=1&limit=2&limit=3&state=all&state=live&name=x");
  expect(fields(errors)).toEqual(["limit repeated", "state repeated"]);
});

test("A-06 limits are numbers from 1 to 500", () => {
  const limit = (text: string) => check(listReservationsQuery, { limit: text }, "query");
  expect(limit("1").value?.limit).toBe(1);
  expect(limit("500").value?.limit).toBe(500);
  for (const text of ["0", "501", "-1", "1.5", "1e2", "", " 5", "0x1"])
    expect(limit(text).errors[0]?.detail).toBe("a number from 1 to 500");
});

test("the problem says what all parts lack, and what an unknown field could have been", () => {
  const query = check(noQuery, { a: "1" }, "query");
  const problem = inputProblem([query, body({ duration_s: 60, gpu: "cpu" })]);
  expect(problem?.code).toBe("invalid_input");
  expect(problem?.message).toBe("a: is not known here; gpu_type: is required; gpu: is not known here");
  expect(problem?.hint).toBe(`it takes ${Object.keys(createReservation.shape).join(", ")}`);
  expect(inputProblem([check(noQuery, { a: "1" }, "query")])?.hint).toBe("it takes none");
  expect(inputProblem([check(z.strictObject({}), {}, "body")])).toBeUndefined();
});
