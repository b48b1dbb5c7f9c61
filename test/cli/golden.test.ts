/**
 * Golden files: what every command prints on a terminal of 80 columns, into a pipe, and with --json, to the letter.
 * `npm test -- test/cli/golden.test.ts -u` writes them anew; the difference is what is reviewed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type * as z from "zod";
import { documents } from "../../src/api/documents.ts";
import { type Reservation, reservation } from "../../src/api/reservations.ts";
import { width } from "../../src/cli/output/text.ts";
import { runProgram } from "../../src/cli/run-program.ts";
import { handlersOf, scenes } from "./golden-scenes.ts";
import { createWorld } from "./helpers/world.ts";

const COLUMNS = 80;
const before = process.cwd();
let directory: string;

// Paths that are shown are as long on every machine: the home is a directory in the present one.
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "gd-golden-"));
  process.chdir(directory);
});
afterAll(() => {
  process.chdir(before);
  rmSync(directory, { recursive: true, force: true });
});

/** Without what differs from machine to machine. */
const steady = (text: string): string =>
  text
    .replaceAll(process.execPath, "NODE")
    .replaceAll(directory, "DIRECTORY")
    .replaceAll(join(import.meta.dirname, "..", ".."), "PROJECT");

const shown = Object.entries(scenes).flatMap(([path, scene]) => ("lines" in scene ? [{ path, scene }] : []));

test.each(shown)("C-01 C-13 $path prints what its golden file has", async ({ path, scene }) => {
  const parts: string[] = [];
  const type = async (line: string, terminal: boolean): Promise<string> => {
    const world = createWorld({
      handlers: handlersOf(scene),
      home: "home",
      terminal,
      columns: COLUMNS,
      env: { CI: "1", NO_COLOR: "1" },
      runProgram: async (program, ...rest) =>
        program === "ssh" ? { code: 0, stdout: "GPU 0\n", stderr: "" } : runProgram(program, ...rest),
    });
    const { code, stdout, stderr } = await world.gpuDev(line);
    rmSync("home", { recursive: true, force: true });
    const json = line.includes("--json") ? checked(path, stdout) : stdout;
    parts.push(
      `$ gpu-dev ${line}${terminal ? "" : " | cat"}\n`,
      steady(json),
      ...stderr
        .split("\n")
        .filter(Boolean)
        .map((said) => steady(`stderr: ${said}\n`)),
      ...(code === 0 ? ["\n"] : [`exit ${code}\n\n`]),
    );
    return stdout;
  };
  for (const line of scene.lines) {
    const table = await type(line, true);
    if (path !== "ssh-config show")
      for (const row of table.split("\n")) expect(width(row)).toBeLessThanOrEqual(COLUMNS);
    await type(line, false);
    await type(line.replace(/( --|$)/, " --json$1"), false);
  }
  await expect(parts.join("")).toMatchFileSnapshot(
    join(import.meta.dirname, "golden", `${path.replaceAll(" ", "-")}.txt`),
  );
});

/** What is a stream prints each document on a line of its own. */
const checked = (path: string, stdout: string): string =>
  path === "logs" ? stdout.replace(/.+\n/g, (line) => checkedOne(path, line)) : checkedOne(path, stdout);

/** The document in lines for people, once it is what docs/json.md says and nothing else. */
function checkedOne(path: string, stdout: string): string {
  const document: unknown = JSON.parse(stdout);
  const schema: z.ZodType = documents[path as keyof typeof documents];
  expect(schema.parse(document)).toEqual(document);
  return `${JSON.stringify(document, shortened, 2)}\n`;
}

/** The fields of a reservation are test/cli/json-contract.txt's: a new one need not change all these files. */
function shortened(_key: string, value: unknown): unknown {
  if (!reservation.safeParse(value).success) return value;
  const all = Object.entries(value as object);
  const rest = all.filter(([field]) => !Object.hasOwn(reservation.shape, field));
  return {
    id: (value as Reservation).id,
    "…": "the other fields of a reservation",
    ...Object.fromEntries(rest),
  };
}
