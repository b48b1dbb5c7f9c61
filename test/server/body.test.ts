import { expect, test } from "vitest";
import type { Problem } from "../../src/api/errors.ts";
import { BODY_LIMIT, readJson } from "../../src/server/body.ts";

type Init = { body?: string | Uint8Array | ReadableStream<Uint8Array>; headers?: Record<string, string> };

const read = ({ body, headers }: Init) =>
  readJson(
    new Request("http://h/", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body, duplex: "half" as const }),
    }),
  );

const codeOf = (init: Init) =>
  read(init).then(
    () => "ok",
    (problem: Problem) => problem.code,
  );

test("a JSON body is read, and no body is undefined", async () => {
  expect(await read({ body: '{"a":[1,"é"]}' })).toEqual({ a: [1, "é"] });
  expect(await read({})).toBeUndefined();
  expect(await read({ body: "" })).toBeUndefined();
});

test("A-03 malformed JSON and bytes that are no UTF-8 are told apart from invalid fields", async () => {
  for (const body of ["{", "nope", "{'a':1}", "\u0000", new Uint8Array([0x22, 0xff, 0x22])])
    expect(await codeOf({ body })).toBe("malformed_json");
});

test("A-03 another media type, another charset and a compressed body are 415", async () => {
  const text = "application/json; charset=latin1";
  for (const type of ["text/plain", "application/x-www-form-urlencoded", text, "application/jsonx"])
    expect(await codeOf({ body: "{}", headers: { "content-type": type } })).toBe("unsupported_media_type");
  expect(await codeOf({ body: "{}", headers: { "content-encoding": "gzip" } })).toBe(
    "unsupported_media_type",
  );
  const fine = 'Application/JSON; charset="UTF-8"';
  expect(await codeOf({ body: "{}", headers: { "content-type": fine } })).toBe("ok");
});

test("X-07 a body over its limit is refused, declared or not, and reading stops there", async () => {
  expect(await codeOf({ body: `"${"x".repeat(BODY_LIMIT - 2)}"` })).toBe("ok");
  expect(await codeOf({ body: `"${"x".repeat(BODY_LIMIT - 1)}"` })).toBe("body_too_large");
  expect(await codeOf({ body: "{}", headers: { "content-length": String(BODY_LIMIT + 1) } })).toBe(
    "body_too_large",
  );
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled += 1;
      controller.enqueue(new Uint8Array(16 * 1024));
    },
  });
  expect(await codeOf({ body: endless })).toBe("body_too_large");
  expect(pulled).toBeLessThan(10);
});

test("O-04 a body that breaks off is the sender's fault, not an error of the server", async () => {
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("aborted")),
  });
  expect(await codeOf({ body: broken })).toBe("malformed_json");
});
