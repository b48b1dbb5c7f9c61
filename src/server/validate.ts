/** Input against the contract's schemas: every offending field at once, by its name on the wire. */
import type * as z from "zod";
import { type FieldError, Problem } from "../api/errors.ts";

/** What one part of a request came to: its value, or what is wrong with it and which fields it knows. */
export interface Checked<T> {
  readonly value: T | undefined;
  readonly errors: readonly FieldError[];
  readonly known: readonly string[];
}

/** Checks `input` by `schema`; `where` names the whole part ("body", "query") in errors that no field has to itself. */
export function check<S extends z.ZodType>(
  schema: S,
  input: unknown,
  where: "body" | "query",
): Checked<z.output<S>> {
  const known = "shape" in schema ? Object.keys(schema.shape as object) : [];
  const result = schema.safeParse(input, { error: wording });
  if (result.success) return { value: result.data, errors: nulErrors(result.data, ""), known };
  return {
    value: undefined,
    errors: result.error.issues.flatMap((issue) => fieldErrors(issue, where)),
    known,
  };
}

/** PostgreSQL has no NUL in text: such a string could not even be looked for. */
function nulErrors(value: unknown, field: string): FieldError[] {
  if (typeof value === "string")
    return value.includes("\0") ? [{ field, code: "format", detail: "must not have a NUL character" }] : [];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, v]) => nulErrors(v, field === "" ? key : `${field}.${key}`));
}

/** One problem for all that is wrong; undefined when nothing is. */
export function inputProblem(parts: readonly Checked<unknown>[]): Problem | undefined {
  const errors = parts.flatMap((part) => part.errors);
  if (errors.length === 0) return undefined;
  const faulty = parts.filter((part) => part.errors.some((e) => e.code === "unknown"));
  const known = faulty.flatMap((part) => part.known);
  return new Problem("invalid_input", errors.map((e) => `${e.field}: ${e.detail}`).join("; "), {
    errors,
    hint:
      faulty.length === 0 ? undefined : known.length === 0 ? "it takes none" : `it takes ${known.join(", ")}`,
  });
}

/** Query parameters by name. A repeated one is an error, because taking the first or the last would be a guess. */
export function readQuery(url: string): { values: Record<string, string>; errors: FieldError[] } {
  const params = new URL(url).searchParams;
  const repeated = [...new Set(params.keys())].filter((name) => params.getAll(name).length > 1);
  return {
    values: Object.fromEntries(params),
    errors: repeated.map((field) => ({ field, code: "repeated", detail: "is given more than once" })),
  };
}

function fieldErrors(issue: z.core.$ZodIssue, where: string): FieldError[] {
  const field = issue.path.length === 0 ? where : issue.path.map(String).join(".");
  if (issue.code !== "unrecognized_keys") return [{ field, code: codeOf(issue), detail: issue.message }];
  const prefix = issue.path.length === 0 ? "" : `${field}.`;
  return issue.keys.map((key) => ({
    field: `${prefix}${key}`,
    code: "unknown",
    detail: "is not known here",
  }));
}

const CODES: Partial<Record<z.core.$ZodIssue["code"], string>> = {
  too_small: "too_small",
  too_big: "too_big",
  invalid_value: "not_a_choice",
  invalid_format: "format",
};

function codeOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return issue.message === REQUIRED ? "required" : "type";
  return CODES[issue.code] ?? "invalid";
}

const REQUIRED = "is required";

/** Our words for zod's issues; a message that the schema itself gives comes before them. */
const wording: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? REQUIRED : `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.join(", ")}`;
    case "too_small":
      return atMinimum(issue.origin, issue.minimum);
    case "too_big":
      return `must be at most ${issue.maximum}${issue.origin === "string" ? " characters" : ""}`;
    default:
      return "is not valid";
  }
};

const TYPES: Record<string, string> = {
  int: "a whole number",
  number: "a number",
  string: "a string",
  boolean: "true or false",
  object: "a JSON object",
  null: "null",
};

const atMinimum = (origin: string, minimum: number | bigint): string =>
  origin === "string" && minimum === 1 ? "must not be empty" : `must be at least ${minimum}`;
