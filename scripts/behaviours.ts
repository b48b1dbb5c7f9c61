/**
 * Which promise is proved by which test: `npm run behaviours [-- PATH]`. The project's own list is scripts/behaviours.txt
 * (an id a line, "built" behind those that exist by now); PATH, or GPU_DEV_BEHAVIOURS, names the document that it is
 * a copy of. Exit 1 when a built one has no test, when a test names an unknown id, or when the copy is stale.
 */
import { existsSync, globSync, readFileSync } from "node:fs";

const TITLE = /\b(?:test|it|describe)(?:\.\w+(?:\([^)]*\))?)*\(\s*(["'`])(.*?)\1/gs;
const ID = /\b[A-Z]-\d{2}\b/g;
const COPY = "scripts/behaviours.txt";

const listed = new Map<string, boolean>();
for (const line of readFileSync(COPY, "utf8").split("\n")) {
  const [id, state] = line.split(" ");
  if (id) listed.set(id, state === "built");
}

const named = new Map<string, Set<string>>();
for (const file of globSync("test/**/*.test.ts").concat(globSync("test/**/*contract.ts")))
  for (const title of readFileSync(file, "utf8").matchAll(TITLE))
    for (const id of title[2]?.match(ID) ?? []) named.set(id, (named.get(id) ?? new Set()).add(file));

const faults: string[] = [];
for (const [id, built] of listed) {
  const files = [...(named.get(id) ?? [])].map((file) => file.replace(/^test\//, ""));
  if (process.argv.includes("--quiet") === false)
    console.log(`${id} ${built ? "built" : "later"}  ${files.join(" ")}`);
  if (built && files.length === 0) faults.push(`${id} is built, and no test names it`);
}
for (const id of named.keys())
  if (!listed.has(id)) faults.push(`a test names ${id}, which ${COPY} does not list`);

const source =
  process.argv.slice(2).find((argument) => !argument.startsWith("-")) ?? process.env.GPU_DEV_BEHAVIOURS;
if (source !== undefined && !existsSync(source)) faults.push(`${source} is not there`);
else if (source !== undefined) {
  const ids = new Set(
    readFileSync(source, "utf8")
      .match(/^- [A-Z]-\d{2} /gm)
      ?.map((line) => line.slice(2, -1)),
  );
  for (const id of ids) if (!listed.has(id)) faults.push(`${COPY} lacks ${id}`);
  for (const id of listed.keys()) if (!ids.has(id)) faults.push(`${COPY} has ${id}, which ${source} lacks`);
}

const built = [...listed.values()].filter(Boolean).length;
console.log(`${listed.size} promises, ${built} of them built, ${named.size} named by a test`);
for (const fault of faults) console.log(`FAILED ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
