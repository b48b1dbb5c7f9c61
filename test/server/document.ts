/** What the OpenAPI document says, as a test reads it: each operation with what it takes and what it may answer. */
import * as z from "zod";
import { openapi } from "../../src/api/openapi.ts";

export type JsonSchema = z.core.JSONSchema.JSONSchema;

interface Content {
  readonly [type: string]: { readonly schema: JsonSchema };
}

export interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: "path" | "query" | "header";
    readonly schema: JsonSchema;
  }[];
  readonly body: JsonSchema | undefined;
  /** The content type of the body, if it has one. */
  readonly type: string | undefined;
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content: Content }>>;
}

interface Document {
  readonly paths: Record<string, Record<string, Raw>>;
  readonly components: { readonly schemas: Record<string, JsonSchema> };
}

interface Raw extends Pick<Operation, "parameters" | "responses"> {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Content };
}

const document = openapi("fuzz") as unknown as Document;

/** All that the document has. */
export const operations: readonly Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { operationId, parameters, requestBody, responses }]) => ({
    name: operationId,
    method: method.toUpperCase(),
    path,
    parameters,
    body: requestBody?.content["application/json"]?.schema,
    type: Object.keys(requestBody?.content ?? {})[0],
    responses,
  })),
);

/** By its name. */
export function operationOf(name: string): Operation {
  const operation = operations.find((one) => one.name === name);
  if (!operation) throw new Error(`there is no operation ${name}`);
  return operation;
}

/** By what is asked of the server. */
export function operationAt(method: string, target: string): Operation {
  const path = target.split("?")[0] ?? "";
  const operation = operations.find((one) => one.method === method && patternOf(one).test(path));
  if (!operation) throw new Error(`there is no operation ${method} ${target}`);
  return operation;
}

const patternOf = ({ path }: Operation): RegExp => new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`);

const REF = "#/components/schemas/";
const known = new Map<JsonSchema, z.ZodType>();

/** What of `value` the document does not allow; undefined when it is as it says. */
export function faultOf(schema: JsonSchema, value: unknown): string | undefined {
  let checker = known.get(schema);
  if (!checker) {
    const ref = schema.$ref;
    checker = z.fromJSONSchema(
      ref === undefined ? schema : (document.components.schemas[ref.slice(REF.length)] ?? false),
    );
    known.set(schema, checker);
  }
  const { error } = checker.safeParse(value);
  return error && z.prettifyError(error);
}
