/** Writes the generated files: completions, references in docs, docs/openapi.json and the dashboard. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { generatedFiles } from "./generate/files.ts";

for (const [path, text] of Object.entries(await generatedFiles())) {
  await writeFile(fileURLToPath(new URL(`../${path}`, import.meta.url)), text);
  console.log(path);
}
