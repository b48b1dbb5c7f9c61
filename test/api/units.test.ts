import { expect, test } from "vitest";
import { formatDollars, parseDollars } from "../../src/api/money.ts";
import { parseSimulated } from "../../src/api/simulated.ts";
import { exactSize, parseSize } from "../../src/api/size.ts";

test.each([
  ["80G", 80e9],
  ["80Gi", 80 * 2 ** 30],
  ["80GiB", 80 * 2 ** 30],
  ["1.5Ti", 1.5 * 2 ** 40],
  ["512 mi", 512 * 2 ** 20],
  ["100B", 100],
  ["80", undefined],
  ["1.3B", undefined],
  ["G", undefined],
  ["-1G", undefined],
  ["1e3G", undefined],
  ["999999999T", undefined],
])("C-26 the size %s is %s bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

test.each(["80G", "80Gi", "1536Mi", "100B", "1T"])("C-26 %s is written as it was read", (text) => {
  expect(exactSize(parseSize(text) ?? 0)).toBe(text);
});

test.each([
  ["2.50", 2_500_000],
  ["$2.5", 2_500_000],
  ["0.000001", 1],
  ["3", 3_000_000],
  ["0.0000001", undefined],
  ["2,50", undefined],
  ["-1", undefined],
])("%s dollars are %s micro-dollars", (text, micro) => expect(parseDollars(text)).toBe(micro));

test.each([
  [2_500_000, "$2.50"],
  [1, "$0.000001"],
  [3_000_000, "$3.00"],
  [123_456_000, "$123.456"],
])("%s micro-dollars are %s", (micro, text) => expect(formatDollars(micro)).toBe(text));

test.each([
  ["h100:8", { gpuType: "h100", count: 8 }],
  ["h100:8x4", { gpuType: "h100", count: 8, nodes: 4 }],
  ["h100:0", undefined],
  ["h100:8x0", undefined],
  ["H100:8", undefined],
  ["h100", undefined],
  ["h100:8x", undefined],
])("%s is %j", (text, meant) => expect(parseSimulated(text)).toEqual(meant));
