import { expect, test } from "vitest";
import { bearerToken } from "../../src/server/auth.ts";
import { createLogger } from "../../src/server/log.ts";

test("C-21 O-04 what is called a secret is never logged, at any depth that our code logs", () => {
  const lines: string[] = [];
  const logger = createLogger("info", { write: (line) => lines.push(line) });
  const secrets = { token: "s3cret", authorization: "Bearer s3cret", host_key: "s3cret" };
  logger.info({ ...secrets, request: { headers: secrets }, options: secrets }, "hello");
  expect(lines.join("")).not.toContain("s3cret");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ token: "[secret]", msg: "hello" });
});

test("T-07 a token is taken from a well-formed bearer header only", () => {
  expect(bearerToken("Bearer abc.DEF-1_~+/=")).toBe("abc.DEF-1_~+/=");
  expect(bearerToken("bearer   abc")).toBe("abc");
  for (const header of [
    undefined,
    null,
    "",
    "abc",
    "Basic abc",
    "Bearer",
    "Bearer ",
    "Bearer a b",
    "Bearer é",
  ])
    expect(bearerToken(header)).toBeUndefined();
  expect(bearerToken(`Bearer ${"a".repeat(600)}`)).toBeUndefined();
});
