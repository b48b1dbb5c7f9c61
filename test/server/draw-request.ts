/** Requests drawn from the OpenAPI document: most are as it says, the others have something wrong with them. */
import fc from "fast-check";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { type JsonSchema, type Operation, operations } from "./document.ts";
import type { Kind } from "./furnish.ts";

export interface Asked {
  /** Its name. */
  readonly operation: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Text of the body, if it has one. */
  readonly body: string | undefined;
}

/** Stands for the id of something that is there, of whomever, of this kind or of that of the path; which one is only known when the request is sent. */
export const SOMETHING = /@(?:([a-z-]+)\.)?(\d+)@/g;
const something = fc.nat(9999).map((n) => `@${n}@`);
const some = (kind: Kind): fc.Arbitrary<string> => fc.nat(9999).map((n) => `@${kind}.${n}@`);

/** What most likely is found, or taken, where something of this name is asked for. */
const LIKELY: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  id: something,
  add_users: fc.array(some("names"), { minLength: 1, maxLength: 2 }),
  build: some("builds"),
  bytes: fc.integer({ min: 1024, max: 2 ** 20 }),
  disk: some("disks"),
  duration_s: fc.integer({ min: 60, max: 50_000 }),
  extend_s: fc.integer({ min: 1, max: 20_000 }),
  gpu_type: fc.constantFrom("h100", "cpu"),
  host: some("registries"),
  identity: some("identities"),
  login: some("logins"),
  node: some("nodes"),
  path: fc.constantFrom("", "src/lib"),
  public_key: fc.constantFrom(...[1, 2, 3].map(() => newKeyPair().publicKey)),
  reservation: some("reservations"),
  reservation_id: some("reservations"),
  snapshot: some("snapshots"),
  team: some("teams"),
  user: some("names"),
  with: fc.constant("oidc"),
};

/** Words that were trouble somewhere. */
const HOSTILE = [
  ...[
    "",
    " ",
    "\0",
    "\n",
    "\u202e",
    "🦄",
    "%00",
    "%",
    "..",
    "../../etc/passwd",
    "null",
    "__proto__",
    "constructor",
  ],
  ...[
    "'; drop table reservations; --",
    '" or 1=1 --',
    "$(reboot)",
    "`id`",
    "{{7*7}}",
    "-1",
    "1e999",
    "NaN",
    "0x10",
  ],
  ...["9007199254740993", "0001-01-01T00:00:00.000Z", "x".repeat(300), "a".repeat(20)],
];
const hostile = fc.constantFrom(...HOSTILE);
/** Of these a URL would make another path. */
const hostileSegment = fc.constantFrom(...HOSTILE.filter((word) => !["", "..", "."].includes(word.trim())));

/** Values that the schema allows, most of them likely ones for what has this name, now and then something else. */
function drawn(schema: JsonSchema, name?: string): fc.Arbitrary<unknown> {
  const likely = name === undefined ? undefined : LIKELY[name];
  return fc.oneof(
    { weight: 25, arbitrary: likely ?? fitting(schema) },
    { weight: likely ? 5 : 0, arbitrary: fitting(schema) },
    { weight: 1, arbitrary: anything },
  );
}

const anything: fc.Arbitrary<unknown> = fc.oneof(
  hostile,
  fc.jsonValue({ maxDepth: 3 }),
  fc.integer(),
  something,
);

function fitting(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => drawn(one as JsonSchema)));
  switch (schema.type) {
    case "integer":
      return integerOf(schema);
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(drawn(schema.items as JsonSchema), { minLength: schema.minItems ?? 0, maxLength: 4 });
    case "object":
      return objectOf(schema);
    default:
      return stringOf(schema);
  }
}

function integerOf({ minimum = 0, maximum = 2 ** 53 - 1 }: JsonSchema): fc.Arbitrary<number> {
  const small = fc.integer({ min: minimum, max: Math.min(maximum, minimum + 10_000) });
  return fc.oneof(small, fc.constantFrom(minimum, maximum), fc.integer({ min: minimum, max: maximum }));
}

function objectOf({ properties = {}, required = [] }: JsonSchema): fc.Arbitrary<unknown> {
  const fields = Object.entries(properties).map(([name, schema]) => [
    name,
    drawn(schema as JsonSchema, name),
  ]);
  const model: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(fields);
  const any = fc.record<Record<string, unknown>, string>(model, { requiredKeys: required });
  // Of many fields that may be left out, most exclude some others.
  const optional = Object.keys(properties).filter((name) => !required.includes(name));
  const few = fc
    .tuple(any, fc.subarray(optional, { maxLength: Math.min(2, optional.length) }))
    .map(([all, kept]) => {
      const entries = Object.entries(all).filter(([name]) => required.includes(name) || kept.includes(name));
      return Object.fromEntries(entries);
    });
  return fc.oneof(any, { weight: 2, arbitrary: few });
}

function stringOf({ pattern, format, maxLength = 63 }: JsonSchema): fc.Arbitrary<string> {
  if (format === "date-time") return soon.map((at) => at.toISOString());
  if (format === "uri") return fc.webUrl({ validSchemes: ["http", "https"] });
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return fc.oneof(words, something, fc.string({ maxLength: Math.min(maxLength, 80) }));
}

/** What the rigs' clock calls the next days. */
const soon = fc.date({
  noInvalidDate: true,
  min: new Date("2026-01-05T08:00:00Z"),
  max: new Date("2026-01-12T08:00:00Z"),
});

/** Names, types and the like that are found. */
const words = fc.constantFrom(
  ...["h100", "cpu", "node-1", "box", "work", "data", "latest", "github:nobody", "src/lib"],
);

/** As text, where it stands in a URL. */
const textOf = (schema: JsonSchema, name: string): fc.Arbitrary<string> =>
  drawn(schema, name).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));

function pathOf({ path, parameters }: Operation): fc.Arbitrary<string> {
  const names = parameters.filter((one) => one.in === "path").map(({ name }) => name);
  const segmentOf = (name: string) =>
    fc.oneof(
      { weight: 8, arbitrary: (LIKELY[name] ?? words) as fc.Arbitrary<string> },
      { weight: 1, arbitrary: words },
      { weight: 1, arbitrary: hostileSegment },
    );
  return fc
    .tuple(...names.map(segmentOf))
    .map((values) =>
      names.reduce(
        (made, name, i) => made.replace(`{${name}}`, () => encodeURIComponent(values[i] ?? "")),
        path,
      ),
    );
}

function queryOf({ parameters }: Operation): fc.Arbitrary<string> {
  const fields = parameters
    .filter((one) => one.in === "query" && one.name !== "cursor")
    .map(({ name, schema }) => [name, textOf(schema, name)]);
  const documented = fc.record(Object.fromEntries(fields), { requiredKeys: [] });
  // A cursor that was made up is as wrong as a parameter that is not known.
  const spoiled = fc.dictionary(fc.oneof(fc.constant("cursor"), hostile), hostile, { maxKeys: 2 });
  return fc
    .tuple(documented, fc.oneof({ weight: 9, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: spoiled }))
    .map((parts) => String(new URLSearchParams(Object.assign({}, ...parts) as Record<string, string>)));
}

/** What can stand in a header at all. */
const printable = fc.constantFrom(...HOSTILE.filter((word) => /^[\x20-\x7e]+$/.test(word)));
const ACCEPT = ["application/json", "*/*", "application/json, text/event-stream;q=0.5"];
const NO_JSON = ["text/html", "application/json;q=0, */*", "text/event-stream"];

function headersOf({ parameters }: Operation): fc.Arbitrary<Record<string, string>> {
  const documented = parameters.filter((one) => one.in === "header").map(({ name }) => name.toLowerCase());
  const tags = fc.constantFrom("1", "k", '"1"', '"2", "3"', "*", 'W/"1"');
  const own = documented.map((name) => [name, fc.oneof(tags, printable)]);
  const accept = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...ACCEPT) },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...NO_JSON), printable) },
  );
  const all: Record<string, fc.Arbitrary<string>> = {
    accept,
    "x-request-id": printable,
    ...Object.fromEntries(own),
  };
  return fc.record(all, { requiredKeys: [] }).map((headers) => headers as Record<string, string>);
}

const BYTES = "application/x-tar";
const DEEP = "[".repeat(30_000);

function bodyOf({ method, body, type }: Operation): fc.Arbitrary<string | undefined> {
  if (method === "GET") return fc.constant(undefined);
  if (type === BYTES) return fc.string({ maxLength: 4096 });
  const json = (body ? drawn(body) : fc.constant({})).map((value) => JSON.stringify(value) ?? "");
  const text = fc.oneof(
    hostile,
    fc.constant(DEEP),
    anything.map((value) => JSON.stringify(value) ?? ""),
  );
  const none: string | undefined = undefined;
  return fc.oneof(
    { weight: 8, arbitrary: json },
    { weight: 1, arbitrary: text },
    { weight: body ? 1 : 8, arbitrary: fc.constant(none) },
  );
}

/** A request to any operation. */
export const request: fc.Arbitrary<Asked> = fc.oneof(...operations.map(requestTo));

function requestTo(operation: Operation): fc.Arbitrary<Asked> {
  return fc
    .record({
      path: pathOf(operation),
      query: queryOf(operation),
      headers: headersOf(operation),
      body: bodyOf(operation),
      type: fc.oneof(
        { weight: 12, arbitrary: fc.constant(operation.type ?? "application/json") },
        { weight: 1, arbitrary: printable },
      ),
    })
    .map(({ path, query, headers, body, type }) => ({
      operation: operation.name,
      path: query === "" ? path : `${path}?${query}`,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": type }) },
      body,
    }));
}
