import { expect, test } from "vitest";
import { textOf } from "../../src/cli/output/cell.ts";
import type { Cell, Output } from "../../src/cli/output/output.ts";
import { FIXED, type Tone } from "../../src/cli/output/paint.ts";
import { table } from "../../src/cli/output/table.ts";
import { width } from "../../src/cli/output/text.ts";
import { Dice } from "../helpers/random.ts";

const ESC = String.fromCharCode(27);
const uncoloured = (text: string): string => text.replaceAll(new RegExp(`${ESC}\\[[0-9;]*m`, "g"), "");
type List = Output & { readonly header: readonly string[] };

const TONES = ["good", "warn", "bad", "dim"] as const satisfies readonly Tone[];
const WORDS: [string, ...string[]] = [
  "h100",
  "日本語の名前",
  "e\u0301te\u0301",
  "🚀🚀",
  "",
  "a rather long reason with words",
  "x".repeat(70),
];

/** A list of random texts, wide ones and coloured ones among them. */
function anyList(dice: Dice): List {
  const header = Array.from({ length: 1 + dice.upTo(9) }, (_, i) => `TITLE ${i}`);
  const cell = (): Cell => {
    const text = dice.one(...WORDS);
    return dice.upTo(2) === 0 ? text : { text, value: text, tone: dice.one(...TONES) };
  };
  const rows = Array.from({ length: 1 + dice.upTo(5) }, () => ["always", ...header.slice(1).map(cell)]);
  return { json: {}, header, rows, spare: header.slice(2, 4) };
}

/** Whether `shown` is one of the list's texts, whole or cut with an ellipsis. */
const isOf = (list: List, shown: string): boolean =>
  list.rows
    .flat()
    .map(textOf)
    .some((text) => text === shown || (shown.endsWith("…") && text.startsWith(shown.slice(0, -1).trimEnd())));

test.each([60, 80, 200])(
  "C-13 any table fits %d columns, and nothing is cut without an ellipsis",
  (columns) => {
    const dice = new Dice(columns);
    for (let round = 0; round < 60; round++) {
      const list = anyList(dice);
      const text = table(list, { columns, colour: 0 });
      const lines = text.trimEnd().split("\n");
      expect(lines).toHaveLength(list.rows.length + 1);
      for (const line of lines) expect(width(line)).toBeLessThanOrEqual(columns);
      const shown = lines.slice(1).flatMap((line) => line.split(/ {2,}/));
      expect(shown.filter((part) => part !== "" && !isOf(list, part))).toEqual([]);
      expect(uncoloured(table(list, { columns, colour: 2 })).replace(/ +$/gm, "")).toBe(text);
    }
  },
);

test("C-13 without room the spare columns go first, in their order; a long text alone costs no column", () => {
  const list = (last: string): List => ({
    json: {},
    header: ["NAME", "FIRST OUT", "SECOND OUT", "REASON"],
    spare: ["FIRST OUT", "SECOND OUT"],
    rows: [["train", "a".repeat(20), "b".repeat(20), last]],
  });
  const titles = (columns: number, last = "short"): string =>
    table(list(last), { columns, colour: 0 }).split("\n")[0] ?? "";
  expect(titles(80)).toMatch(/^NAME +FIRST OUT +SECOND OUT +REASON$/);
  expect(titles(50)).toMatch(/^NAME +SECOND OUT +REASON$/);
  expect(titles(30)).toMatch(/^NAME +REASON$/);
  expect(titles(80, "r".repeat(200))).toMatch(/^NAME +FIRST OUT +SECOND OUT +REASON$/);
});

/** WCAG's relative luminance of one of the 256 colours. */
function luminance(colour: number): number {
  const steps = [0, 95, 135, 175, 215, 255];
  const cube = colour - 16;
  const parts =
    colour >= 232
      ? Array.from({ length: 3 }, () => 8 + 10 * (colour - 232))
      : [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((step) => steps[step] ?? 0);
  const [red = 0, green = 0, blue = 0] = parts.map((part) => {
    const share = part / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test.each(Object.entries(FIXED))("C-20 the colour for %s is readable on black and on white", (_, colour) => {
  const light = luminance(colour) + 0.05;
  expect(light / 0.05).toBeGreaterThan(3.8);
  expect(1.05 / light).toBeGreaterThan(3.8);
});

test.each([1, 2] as const)(
  "C-20 at level %d neither yellow nor blue is used, and the words stay",
  (colour) => {
    const rows = TONES.map((tone) => [{ text: tone, value: tone, tone }]);
    const text = table({ json: {}, header: ["STATE"], rows }, { columns: 80, colour });
    expect(text).not.toMatch(new RegExp(`${ESC}\\[(33|34|93|94)m`));
    expect(uncoloured(text)).toBe("STATE\ngood\nwarn\nbad\ndim\n");
  },
);
