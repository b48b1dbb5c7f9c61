import { describe, expect, test } from "vitest";
import { exactDuration, formatDuration, parseDuration } from "../../src/api/duration.ts";

describe("C-05 durations parse exactly", () => {
  test.each([
    ["90m", 5400],
    ["1h30m", 5400],
    ["8h", 28_800],
    ["2d", 172_800],
    ["1w", 604_800],
    ["0.5h", 1800],
    ["1.5m", 90],
    ["1:30", 5400],
    ["0:05", 300],
    ["1H 30M", 5400],
    ["1d2h3m4s", 93_784],
    ["0.1h", 360],
    ["0.000277777777h", undefined],
    ["0.3s", undefined],
  ])("C-05 %s", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each([
    "",
    " ",
    "90",
    "1.5",
    "h",
    "1x",
    "-1h",
    "1h-2m",
    "30m1h",
    "1h1h",
    "1:60",
    "1:3",
    "1e3s",
    "１h",
    "9999999999h",
    "NaNh",
    "1h 30",
  ])("C-05 %j is refused", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("C-05 nothing is lost in fractions that binary floats cannot hold", () => {
    for (let tenths = 1; tenths < 1000; tenths++)
      expect(parseDuration(`${Math.floor(tenths / 10)}.${tenths % 10}h`)).toBe(tenths * 360);
  });
});

describe("C-06 durations are rounded one way", () => {
  test.each([
    [59.9 * 60, "up", "1h"],
    [59.9 * 60, "down", "59m"],
    [59.2, "up", "1m"],
    [59.9, "down", "59s"],
    [3600 + 1, "up", "1h1m"],
    [3600 + 59, "down", "1h"],
    [24 * 3600 - 1, "up", "1d"],
    [24 * 3600 - 1, "down", "23h59m"],
    [25.5 * 3600, "up", "1d2h"],
    [25.5 * 3600, "down", "1d1h"],
    [48 * 3600 - 1, "up", "2d"],
    [0, "up", "0s"],
    [-5, "down", "0s"],
    [0.1, "up", "1s"],
  ] as const)("C-06 %d s rounded %s is %s", (seconds, rounding, words) => {
    expect(formatDuration(seconds, rounding)).toBe(words);
  });

  test("C-06 no length of time ever reads 60m or 24h", () => {
    const all = new Set<string>();
    for (let seconds = 0; seconds < 3 * 86_400; seconds += 7)
      for (const rounding of ["up", "down"] as const) all.add(formatDuration(seconds, rounding));
    expect([...all].filter((words) => /(^|\D)(60m|60s|24h)/.test(words))).toEqual([]);
    expect(all.size).toBeGreaterThan(1000);
  });

  test("an exact duration is read back as the same seconds", () => {
    for (const seconds of [1, 59, 60, 3600, 5400, 86_400, 93_784, 10 ** 7])
      expect(parseDuration(exactDuration(seconds))).toBe(seconds);
    expect(exactDuration(0)).toBe("0s");
  });
});
