import { expect, test } from "vitest";
import { nearest } from "../../src/api/nearest.ts";

test.each([
  ["trian", ["train", "eval"], "train"],
  ["H100", ["h100", "a100"], "h100"],
  ["h10", ["h100", "a100"], "h100"],
  ["staet", ["state", "started_at"], "state"],
  ["evaluaton", ["train", "evaluation"], "evaluation"],
  ["x", ["train", "cpu"], undefined],
  ["something", [], undefined],
  ["train", ["completely-else"], undefined],
])("C-19 %j among %j is taken for %j", (word, candidates, meant) => {
  expect(nearest(word, candidates)).toBe(meant);
});
