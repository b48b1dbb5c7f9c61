/** Every field that a command prints with `--json`, a line for each: what scripts may rely on. */
import { readFile } from "node:fs/promises";
import { documents, failure } from "../../src/api/documents.ts";
import { alternativesOf, elementOf, membersOf, type Schema, typeOf } from "../../src/api/shape.ts";

export const CONTRACT_FILE = "test/cli/json-contract.txt";

/** "list: items[].state string", of every command. */
export const contractLines = (): string[] =>
  Object.entries({ ...documents, "(any failure)": failure }).flatMap(([path, schema]) => [
    ...new Set(fieldLines(schema, "").map((line) => `${path}: ${line}`)),
  ]);

function fieldLines(schema: Schema, path: string): string[] {
  return alternativesOf(schema).flatMap((shape) => {
    const element = elementOf(shape);
    if (element) return fieldLines(element, `${path}[]`);
    return Object.entries(membersOf(shape)).flatMap(([name, member]) => {
      const at = path === "" ? name : `${path}.${name}`;
      return [`${at} ${typeOf(member)}`, ...fieldLines(member, at)];
    });
  });
}

/** The file with what is new: nothing is ever taken out by generating, so that a removed field fails a test. */
export async function contractFile(): Promise<string> {
  const known = await readFile(new URL(`../../${CONTRACT_FILE}`, import.meta.url), "utf8");
  const lines = new Set([...known.split("\n").filter(Boolean), ...contractLines()]);
  return `${[...lines].sort().join("\n")}\n`;
}
