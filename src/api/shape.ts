/** Zod's schemas as people and scripts read them. */
import * as z from "zod";

export type Schema = z.core.$ZodType;

/** What is inside of "or null" and "may be absent". */
function bare(schema: Schema): Schema {
  return schema instanceof z.ZodNullable || schema instanceof z.ZodOptional ? bare(schema.unwrap()) : schema;
}

/** The fields of an object; none of anything else. */
export const membersOf = (schema: Schema): Record<string, Schema> => {
  const inner = bare(schema);
  return inner instanceof z.ZodObject ? (inner.shape as Record<string, Schema>) : {};
};

/** The shapes of which it is one; itself alone when there is no choice. */
export function alternativesOf(schema: Schema): Schema[] {
  const inner = bare(schema);
  return inner instanceof z.ZodUnion ? inner.options.flatMap(alternativesOf) : [inner];
}

/** What a list is of; undefined for anything else. */
export function elementOf(schema: Schema): Schema | undefined {
  const inner = bare(schema);
  return inner instanceof z.ZodArray ? inner.element : undefined;
}

/** What was said of it, or of what is inside. */
export function meaningOf(schema: Schema): string {
  const own = (schema as z.ZodType).description;
  if (own !== undefined) return own;
  return schema instanceof z.ZodNullable || schema instanceof z.ZodOptional ? meaningOf(schema.unwrap()) : "";
}

/** "string", "integer or null", "list of objects"; a word of a closed list is a string, since a newer server may know more of them. */
export function typeOf(
  schema: Schema,
  nameOf: (object: Schema) => string | undefined = () => undefined,
): string {
  const name = nameOf(schema);
  if (name !== undefined) return name;
  const typeIn = (inner: Schema): string => typeOf(inner, nameOf);
  if (schema instanceof z.ZodOptional) return `${typeIn(schema.unwrap())} or absent`;
  if (schema instanceof z.ZodNullable) return `${typeIn(schema.unwrap())} or null`;
  if (schema instanceof z.ZodArray) return `list of ${typeIn(schema.element)}s`;
  if (schema instanceof z.ZodUnion) return [...new Set(schema.options.map(typeIn))].join(" or ");
  if (schema instanceof z.ZodISODateTime) return "instant";
  if (schema instanceof z.ZodNumber) return schema.format === "safeint" ? "integer" : "number";
  if (schema instanceof z.ZodEnum) return "string";
  if (schema instanceof z.ZodRecord) return `object of ${typeIn(schema.valueType)}s`;
  return schema._zod.def.type;
}

/** The words of a closed list; empty for anything else. */
export function wordsOf(schema: Schema): readonly string[] {
  const inner = bare(schema);
  return inner instanceof z.ZodEnum ? inner.options.map(String) : [];
}
