/** What the documentation points to is there, and every page of it is found from the README. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", ...globSync("docs/*.md", { cwd: root })];

/** The files that a page links to, from the top of the project. */
function linksOf(page: string): string[] {
  const targets = [...readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)];
  return targets
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => normalize(join(dirname(page), target)));
}

test.each(pages)("what %s links to is there", (page) => {
  expect(linksOf(page).filter((target) => !existsSync(join(root, target)))).toEqual([]);
});

test("every page is found from the README", () => {
  const found = new Set(["README.md"]);
  for (const page of found) if (page.endsWith(".md")) for (const target of linksOf(page)) found.add(target);
  expect(pages.filter((page) => !found.has(page))).toEqual([]);
});
