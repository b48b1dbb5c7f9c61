/**
 * The entry. Answers what needs nothing (`--version`, `__complete`, `ssh-proxy`) before anything else is loaded; the one file of
 * the command line that reads the environment and sets the exit code.
 */
import { writeSync } from "node:fs";
import { VERSION } from "../api/version.ts";

/** Carries out `argv` (without node and script) and sets the process's exit code. */
export async function main(argv: string[]): Promise<void> {
  const [first] = argv;
  if (first === "--version" || first === "-V") {
    answer(`${VERSION}\n`);
  } else if (first === "__complete") {
    const { complete } = await import("./completion/complete.ts");
    answer(complete(argv[1], process.env, await homeDirectory()));
  } else if (first === "ssh-proxy") {
    const proxy = await import("./commands/ssh-proxy.ts");
    await proxy.main(argv.slice(1));
  } else {
    await useCompileCache();
    const { start } = await import("./start.ts");
    process.exitCode = await start(argv, process.env);
  }
}

/** Written without the stream, which takes longer to make than all the rest. A reader that left is no failure (C-20). */
function answer(text: string): void {
  try {
    writeSync(1, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") process.stdout.write(text);
  }
}

/** The modules of the next run are compiled already. A cache that cannot be written is simply not used. */
async function useCompileCache(): Promise<void> {
  const { enableCompileCache } = process.getBuiltinModule("node:module");
  const { join } = process.getBuiltinModule("node:path");
  const cache = process.env.XDG_CACHE_HOME || join(await homeDirectory(), ".cache");
  enableCompileCache(join(cache, "gpu-dev", "compile"));
}

async function homeDirectory(): Promise<string> {
  return process.env.HOME || (await import("node:os")).homedir();
}
