/** All but the quickest answers start here; loaded as one file. */
import type { Outside } from "./context.ts";
import { processOutside } from "./outside.ts";
import { run } from "./run.ts";

/** Carries out `argv` (without node and script) and resolves with the exit code. */
export const start = (argv: readonly string[], env: Outside["env"]): Promise<number> =>
  run(argv, processOutside(env));
