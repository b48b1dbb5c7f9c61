import { expect, test } from "vitest";
import { requireAccepted, wantsEvents } from "../../src/server/accept.ts";

const taken = (accept: string | undefined, ...types: string[]): boolean => {
  try {
    requireAccepted(accept, types);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "not_acceptable" });
    return false;
  }
};

test.each<[string | undefined, boolean]>([
  [undefined, true],
  ["", true],
  ["*/*", true],
  ["application/*", true],
  ["Application/JSON; charset=utf-8", true],
  ["text/html,application/xhtml+xml,*/*;q=0.8", true],
  ["text/html", false],
  ["text/*", false],
  ["application/json;q=0", false],
  ["application/json;q=0, */*", false],
  ["*/*;q=0", false],
  ["application/jsonx", false],
  [";;,,", false],
])("A-09 an Accept of %j takes JSON: %s", (accept, expected) => {
  expect(taken(accept, "application/json")).toBe(expected);
});

test("A-09 one of several types is enough, and the answer names them", () => {
  expect(taken("text/event-stream", "application/json", "text/event-stream")).toBe(true);
  expect(() => requireAccepted("text/html", ["application/json", "text/event-stream"])).toThrow(
    "this is answered as application/json or text/event-stream",
  );
});

test("wildcards do not ask for events", () => {
  expect(["*/*", "text/*", "", "text/event-stream;q=0"].map(wantsEvents)).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(wantsEvents("application/json;q=0.5, text/event-stream")).toBe(true);
});
