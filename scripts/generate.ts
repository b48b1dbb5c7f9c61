/** Writes the generated files: completions, docs/cli.md, docs/configuration.md and docs/openapi.json. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { generatedFiles } from "./generate/files.ts";

for (const [path, text] of Object.entries(await generatedFiles())) {
  await writeFile(fileURLToPath(new URL(`../${path}`, import.meta.url)), text);
  console.log(path);
}
