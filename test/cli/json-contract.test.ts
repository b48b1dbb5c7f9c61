import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CONTRACT_FILE, contractLines } from "../../scripts/generate/json-contract.ts";

const known = readFileSync(join(import.meta.dirname, "..", "..", CONTRACT_FILE), "utf8")
  .trimEnd()
  .split("\n");

test("C-01 no field that scripts may read was removed or retyped", () => {
  const now = new Set(contractLines());
  expect(known.filter((line) => !now.has(line))).toEqual([]);
});

test("C-01 every command's fields are in the contract, those inside of others too", () => {
  expect(known).toEqual(
    expect.arrayContaining([
      "list: items[].state string",
      "show: phases[].steps[].duration_ms integer",
      "cancel: items[].error.code string",
      "cancel: ended_at instant or null",
    ]),
  );
});
