import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generatedFiles } from "../../scripts/generate/files.ts";
import { catalogue } from "../../src/cli/catalogue.ts";

const files = Object.entries(await generatedFiles());

test.each(files)("%s is what `npm run generate` makes", (path, text) => {
  expect(readFileSync(join(import.meta.dirname, "..", "..", path), "utf8")).toBe(text);
});

test("the reference names every command once", () => {
  const reference = Object.fromEntries(files)["docs/cli.md"] ?? "";
  for (const { path } of catalogue) expect(reference.split(`\n## gpu-dev ${path}\n`)).toHaveLength(2);
});
