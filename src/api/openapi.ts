/** The OpenAPI 3.1 document, made from the table of routes and the schemas that validate. */
import * as z from "zod";
import { contract } from "./contract.ts";
import { ERRORS, type ErrorCode } from "./errors.ts";
import {
  BODY_ERRORS,
  COMMON_ERRORS,
  creates,
  type Route,
  type RouteName,
  routes,
  takesIfMatch,
} from "./routes.ts";
import { problem } from "./schemas.ts";

type Json = Record<string, unknown>;

const jsonSchema = (schema: z.ZodType, io: "input" | "output"): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return rest;
};

/** The document for a server of this version. */
export function openapi(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(name, route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "gpu-dev", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: jsonSchema(problem, "output") },
    },
  };
}

function operation(name: RouteName, route: Route): Json {
  const shape: { params?: z.ZodObject; query?: z.ZodObject; body?: z.ZodType; reply: z.ZodType } =
    contract[name];
  return {
    operationId: name,
    summary: route.summary,
    security: route.public ? [] : [{ token: [] }],
    parameters: [
      ...parameters("path", shape.params),
      ...parameters("query", shape.query),
      ...keyHeader(route),
      ...(takesIfMatch(route) ? [IF_MATCH] : []),
      ...(route.stream?.entry === undefined ? [] : [LAST_EVENT_ID]),
    ],
    ...(shape.body
      ? {
          requestBody: {
            required: true,
            content: route.bytes
              ? { [route.bytes]: { schema: { type: "string", format: "binary" } } }
              : { "application/json": { schema: jsonSchema(shape.body, "input") } },
          },
        }
      : {}),
    responses: {
      [route.status]: {
        description: route.summary,
        ...(route.versioned ? { headers: { ETag: ETAG } } : {}),
        content: {
          "application/json": { schema: jsonSchema(shape.reply, "output") },
          ...(route.stream ? { "text/event-stream": { schema: streamSchema(route.stream) } } : {}),
        },
      },
      ...errorResponses([...COMMON_ERRORS, ...(route.method === "GET" ? [] : BODY_ERRORS), ...route.errors]),
    },
  };
}

const ETAG: Json = { description: "Names the version of what is answered.", schema: { type: "string" } };

const IF_MATCH: Json = {
  name: "If-Match",
  in: "header",
  required: false,
  description: "The ETag of the version that is to be changed; at another one nothing is done.",
  schema: { type: "string" },
};

const RETRY_AFTER: Json = { description: "Seconds after which it may work.", schema: { type: "integer" } };

const LAST_EVENT_ID: Json = {
  name: "Last-Event-ID",
  in: "header",
  required: false,
  description: "Of a stream: what follows this event; goes before `after`.",
  schema: { type: "string", pattern: "^[0-9]{0,9}$" },
};

/** OpenAPI 3.1 knows no schema for the events of a stream: they are described in words. */
function streamSchema(events: NonNullable<Route["stream"]>): Json {
  const lines = Object.entries(events).map(([event, data]) => `${event}: ${data}`);
  return {
    type: "string",
    description: `Server-sent events, a comment at least every 15 s. ${lines.join("; ")}.`,
  };
}

function parameters(where: "path" | "query", schema: z.ZodObject | undefined): Json[] {
  if (!schema) return [];
  return Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: where,
    required: where === "path",
    schema: jsonSchema(field as z.ZodType, "input"),
  }));
}

const keyHeader = (route: Route): Json[] =>
  creates(route)
    ? [{ name: "Idempotency-Key", in: "header", required: false, schema: { type: "string", maxLength: 255 } }]
    : [];

function errorResponses(codes: readonly ErrorCode[]): Json {
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      {
        description: of.join(", "),
        ...(of.some((code) => ERRORS[code].retryable) ? { headers: { "Retry-After": RETRY_AFTER } } : {}),
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    ]),
  );
}
