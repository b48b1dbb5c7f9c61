/** The fields of a command's JSON: what `--fields` takes, and what `--fields help` lists. */
import { documents } from "../api/documents.ts";
import { nearest } from "../api/nearest.ts";
import { alternativesOf, elementOf, meaningOf, membersOf, type Schema, typeOf } from "../api/shape.ts";
import type { CommandPath } from "./catalogue.ts";
import { type Command, defineCommand } from "./command.ts";
import { UsageError } from "./errors.ts";

type Fields = Readonly<Record<string, Schema>>;

/** Those that can be picked: of a list's items, else of the document; of several shapes those of all. */
function fieldsOf(schema: Schema): Fields {
  const all = alternativesOf(schema).map((shape) => {
    const members = membersOf(shape);
    const item = members.items && elementOf(members.items);
    return item ? fieldsOf(item) : members;
  });
  return Object.assign({}, ...all);
}

/** Every command has a document; the compiler looks. */
const documentOf: Readonly<Record<CommandPath, Schema>> = documents;

/** Throws UsageError for a field that the command's JSON does not have. */
export function checkFields(path: CommandPath, fields: readonly string[]): void {
  const known = Object.keys(fieldsOf(documentOf[path]));
  const unknown = fields.find((field) => !known.includes(field));
  if (unknown === undefined) return;
  const meant = nearest(unknown, known);
  throw new UsageError(
    `--fields: \`gpu-dev ${path}\` has no field ${JSON.stringify(unknown)}`,
    `${meant === undefined ? "" : `Did you mean ${meant}? `}\`gpu-dev ${path} --fields help\` lists them.`,
  );
}

/** What runs instead of the command for `--fields help`. */
export const listing = (path: CommandPath): Command =>
  defineCommand({
    examples: [],
    async run() {
      const items = Object.entries(fieldsOf(documentOf[path])).map(([field, schema]) => ({
        field,
        type: typeOf(schema),
        meaning: meaningOf(schema),
      }));
      return {
        json: { items },
        header: ["FIELD", "TYPE", "MEANING"],
        rows: items.map(({ field, type, meaning }) => [field, type, meaning]),
      };
    },
  });
