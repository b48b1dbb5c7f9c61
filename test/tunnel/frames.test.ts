import { expect, test } from "vitest";
import { ackLine, byeLine, endLine, oneLine, parseControl } from "../../src/tunnel/frames.ts";

test("what is written is what is read", () => {
  expect(parseControl(ackLine(0))).toEqual({ kind: "ack", bytes: 0 });
  expect(parseControl(endLine(2 ** 53 - 1))).toEqual({ kind: "end", total: 2 ** 53 - 1 });
  expect(parseControl(byeLine("reservation_ended", "at noon"))).toEqual({
    kind: "bye",
    code: "reservation_ended",
    text: "at noon",
  });
});

test.each([
  ["nothing", ""],
  ["an unknown word", "nak 5"],
  ["a sign", "ack -1"],
  ["a plus", "ack +1"],
  ["a leading zero", "ack 01"],
  ["a fraction", "ack 1.5"],
  ["an exponent", "ack 1e3"],
  ["more than a safe integer", "ack 9007199254740993"],
  ["no number", "end "],
  ["two numbers", "ack 1 2"],
  ["a line break behind it", "ack 1\n"],
  ["a space in front of it", " ack 1"],
  ["a bye without text", "bye done"],
  ["a bye with a strange code", "bye Done! text"],
  ["a bye of two lines", "bye done a\nb"],
  ["an over-long line", `bye done ${"x".repeat(3000)}`],
])("%s is not a control line", (_, line) => {
  expect(parseControl(line)).toBeUndefined();
});

test("T-05 text from elsewhere becomes one line without control characters", () => {
  expect(oneLine("a\r\nb\u001b[31m c\u0007\u2028d \u202ee")).toBe("a b [31m c d e");
  expect(oneLine("x".repeat(5000))).toHaveLength(1000);
});
