/** docs/json.md: what each command prints with `--json`, from the schemas. */
import { documents, failure } from "../../src/api/documents.ts";
import { forecast, wayToStartSooner } from "../../src/api/forecast.ts";
import * as g from "../../src/api/inventory.ts";
import * as r from "../../src/api/reservations.ts";
import * as schemas from "../../src/api/schemas.ts";
import {
  alternativesOf,
  elementOf,
  meaningOf,
  membersOf,
  type Schema,
  typeOf,
  wordsOf,
} from "../../src/api/shape.ts";

/** Shapes that several commands print, each told once. */
const NAMED: Readonly<Record<string, Schema>> = {
  Reservation: r.reservation,
  Event: r.event,
  "Way to start sooner": wayToStartSooner,
  Forecast: forecast,
  "GPU type": g.gpuType,
  Availability: g.availability,
  Node: g.node,
  Deployment: schemas.deployment,
  Health: schemas.health,
  Problem: failure,
};

/** The whole page. */
export const json = (): string => `# JSON

Generated from the schemas by \`npm run generate\`; do not edit.

- With \`--json\`, stdout is exactly one JSON document; with \`--watch\` one for each change, with
  \`logs\` one for each line, each on a line of its own. Everything else goes to stderr. A failure is a document as well, a [Problem](#problem) with perhaps more members, and exits as it does without \`--json\`.
- \`--fields id,state\` prints only these fields, in this order: of a list those of its items. \`--fields help\` lists what a command has.
- What is here stays: fields are added, but none is removed and none changes its type. Ignore what you do not know; where a field is
  one of several words, a newer server may know more of them.
- Instants are ISO 8601 in UTC with milliseconds; \`_s\` is seconds, \`_ms\` milliseconds, \`_bytes\` bytes; money is micro-dollars. Null is
  "none", "not yet" or "unknown".

${Object.entries(documents).map(command).join("\n\n")}

${Object.entries(NAMED).map(named).join("\n\n")}
`;

function command([path, document]: [string, Schema]): string {
  const shapes = alternativesOf(document).map(shape);
  return `## gpu-dev ${path}\n\n${shapes.join("\n\nOr:\n\n")}`;
}

const named = ([name, schema]: [string, Schema]): string =>
  `## ${name}\n\n${table(rows(membersOf(schema), ""))}`;

/** A named one by its name, one that has more than it by its name and the rest. */
function shape(schema: Schema): string {
  const members = membersOf(schema);
  const base = Object.entries(NAMED).find(([, known]) =>
    Object.entries(membersOf(known)).every(([field, type]) => members[field] === type),
  );
  if (!base) return table(rows(members, ""));
  const rest = Object.entries(members).filter(([field]) => !Object.hasOwn(membersOf(base[1]), field));
  const link = `A ${linkTo(base[0])}`;
  return rest.length === 0 ? `${link}.` : `${link}, and:\n\n${table(rows(Object.fromEntries(rest), ""))}`;
}

const table = (lines: readonly string[]): string =>
  ["| field | type | meaning |", "|---|---|---|", ...lines].join("\n");

function rows(members: Readonly<Record<string, Schema>>, path: string): string[] {
  return Object.entries(members).flatMap(([name, member]) => {
    const own = `| \`${path}${name}\` | ${typeOf(member, nameOf)} | ${meaning(member)} |`;
    return [own, ...inner(member, path + name)];
  });
}

/** The fields inside of a field, unless they have a name of their own. */
function inner(schema: Schema, path: string): string[] {
  const element = elementOf(schema);
  if (element) return inner(element, `${path}[]`);
  const unnamed = alternativesOf(schema).filter((one) => nameOf(one) === undefined);
  return unnamed.flatMap((one) => rows(membersOf(one), `${path}.`));
}

function meaning(schema: Schema): string {
  const words = wordsOf(schema).map((word) => `\`${word}\``);
  const choice = words.length === 0 ? [] : [`one of ${words.join(", ")}`];
  return [meaningOf(schema), ...choice].filter(Boolean).join("; ").replaceAll("|", "\\|");
}

function nameOf(schema: Schema): string | undefined {
  const found = Object.entries(NAMED).find(([, known]) => known === schema);
  return found && linkTo(found[0]);
}

const linkTo = (name: string): string => `[${name}](#${name.toLowerCase().replaceAll(" ", "-")})`;
