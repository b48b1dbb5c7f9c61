import { expect, test } from "vitest";
import { openapi } from "../../src/api/openapi.ts";
import { creates, routes } from "../../src/api/routes.ts";

type Operation = {
  operationId: string;
  parameters: { name: string; in: string }[];
  responses: Record<string, unknown>;
  security: unknown[];
};
const document = openapi("1.0.0") as { paths: Record<string, Record<string, Operation>> };
const operations = Object.values(document.paths).flatMap((path) => Object.values(path));

test("A-14 every route of the table is an operation with its reply and its errors", () => {
  expect(operations.map((o) => o.operationId).sort()).toEqual(Object.keys(routes).sort());
  for (const [name, route] of Object.entries(routes)) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()];
    expect(operation?.operationId).toBe(name);
    expect(Object.keys(operation?.responses ?? {})).toContain(String(route.status));
    expect(Object.keys(operation?.responses ?? {})).toContain("401");
  }
});

test("A-14 every parameter of a path is declared, and only health and logging in are public", () => {
  for (const [path, methods] of Object.entries(document.paths))
    for (const operation of Object.values(methods)) {
      const inPath = operation.parameters.filter((p) => p.in === "path").map((p) => p.name);
      expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]));
    }
  const open = operations.filter((o) => o.security.length === 0).map((o) => o.operationId);
  expect(open.sort()).toEqual(["beginLogin", "finishLogin", "getHealth", "getReady", "listLogins"]);
});

test("A-08 each creating POST takes an idempotency key", () => {
  for (const [name, route] of Object.entries(routes)) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()];
    const takesKey = operation?.parameters.some((p) => p.name === "Idempotency-Key") ?? false;
    expect([name, takesKey]).toEqual([name, creates(route)]);
  }
});
