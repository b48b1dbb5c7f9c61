/** Everything that is generated, by its path in the project; a test compares it with what is there. */
import { openapi } from "../../src/api/openapi.ts";
import { VERSION } from "../../src/api/version.ts";
import { bash } from "./bash.ts";
import { configuration } from "./configuration.ts";
import { dashboard } from "./dashboard.ts";
import { fish } from "./fish.ts";
import { json } from "./json.ts";
import { CONTRACT_FILE, contractFile } from "./json-contract.ts";
import { reference } from "./reference.ts";
import { zsh } from "./zsh.ts";

export const generatedFiles = async (): Promise<Record<string, string>> => ({
  "completions/gpu-dev.bash": await bash(),
  "completions/_gpu-dev": await zsh(),
  "completions/gpu-dev.fish": await fish(),
  "docs/cli.md": await reference(),
  "docs/configuration.md": configuration(),
  "docs/json.md": json(),
  "deploy/grafana/gpu-dev.json": dashboard(),
  [CONTRACT_FILE]: await contractFile(),
  "docs/openapi.json": `${JSON.stringify(openapi(VERSION), null, 2)}\n`,
});
