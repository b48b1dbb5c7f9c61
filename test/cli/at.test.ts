import { describe, expect, test } from "vitest";
import { parseAt } from "../../src/cli/at.ts";
import { UsageError } from "../../src/cli/errors.ts";

/** A Wednesday, 11:30 in Berlin. */
const NOW = new Date("2026-11-25T10:30:00.000Z");
const berlin = (text: string, now = NOW) => parseAt(text, now, "Europe/Berlin").toISOString();
const refusal = (text: string, now = NOW, zone = "Europe/Berlin"): UsageError => {
  try {
    parseAt(text, now, zone);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
};

describe("C-05 a start time is read exactly or refused", () => {
  test.each([
    ["2026-12-01T09:00", "2026-12-01T08:00:00.000Z"],
    ["2026-12-01 09:00:30", "2026-12-01T08:00:30.000Z"],
    ["2026-12-01T09:00Z", "2026-12-01T09:00:00.000Z"],
    ["2026-12-01T09:00:00-05:00", "2026-12-01T14:00:00.000Z"],
    ["2026-07-01T09:00", "2026-07-01T07:00:00.000Z", "2026-06-01T00:00:00.000Z"],
    ["tomorrow 9:00", "2026-11-26T08:00:00.000Z"],
    ["Tomorrow  09:05", "2026-11-26T08:05:00.000Z"],
    ["today 23:59", "2026-11-25T22:59:00.000Z"],
    ["12:00", "2026-11-25T11:00:00.000Z"],
    ["9:00", "2026-11-26T08:00:00.000Z"],
    ["fri 9:00", "2026-11-27T08:00:00.000Z"],
    ["monday 0:00", "2026-11-29T23:00:00.000Z"],
    ["wed 12:00", "2026-11-25T11:00:00.000Z"],
    ["wed 9:00", "2026-12-02T08:00:00.000Z"],
  ])("%s in Berlin is %s", (text, instant, now = NOW.toISOString()) => {
    expect(berlin(text, new Date(now))).toBe(instant);
  });

  test.each([
    "",
    "9",
    "9am",
    "25:00",
    "9:60",
    "2026-02-30T09:00",
    "2026-13-01T09:00",
    "2027-02-30T09:00Z",
    "2027-02-30 09:00+01:00",
    "someday 9:00",
    "mo 9:00",
  ])("%j is no time, and the forms are named", (text) => {
    expect(refusal(text).message).toContain("2026-12-01T09:00");
  });

  test.each(["2026-11-25T11:30", "today 9:00", "2020-01-01T00:00Z", "2026-99-01T09:00Z"])(
    "%s lies behind or nowhere",
    (text) => {
      expect(refusal(text).message).toMatch(/is over|is not a time/);
    },
  );

  test("what the clocks skip in spring is refused with the instants around it", () => {
    const { message, hint } = refusal("2027-03-28T02:30");
    expect(message).toBe("the clock in Europe/Berlin skips 2027-03-28T02:30, as summer time begins");
    expect(hint).toBe("Say which instant is meant: --at 2027-03-28T00:30Z or --at 2027-03-28T01:30Z.");
    expect(berlin("2027-03-28T03:00")).toBe("2027-03-28T01:00:00.000Z");
  });

  test("what the clocks show twice in autumn is asked about, and both answers are accepted", () => {
    const { message, hint } = refusal("2027-10-31T02:30");
    expect(message).toBe("the clock in Europe/Berlin shows twice 2027-10-31T02:30, as summer time ends");
    const instants = [...(hint ?? "").matchAll(/--at (\S+Z)/g)].map(([, at]) => berlin(at ?? ""));
    expect(instants).toEqual(["2027-10-31T00:30:00.000Z", "2027-10-31T01:30:00.000Z"]);
  });

  test("tomorrow is the next day of the calendar, also when that day has 23 hours", () => {
    const eve = new Date("2027-03-27T08:00:00.000Z");
    expect(berlin("tomorrow 9:00", eve)).toBe("2027-03-28T07:00:00.000Z");
    expect(parseAt("tomorrow 9:00", eve, "Asia/Kathmandu").toISOString()).toBe("2027-03-28T03:15:00.000Z");
  });
});
