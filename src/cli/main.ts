/**
 * The entry. Answers what needs nothing (`--version`, `__complete`, `ssh-proxy`) before anything else is loaded; the one file of
 * the command line that reads the environment and sets the exit code.
 */
import { VERSION } from "../api/version.ts";

/** Carries out `argv` (without node and script) and sets the process's exit code. */
export async function main(argv: string[]): Promise<void> {
  const [first] = argv;
  if (first === "--version" || first === "-V") {
    process.stdout.write(`${VERSION}\n`);
  } else if (first === "__complete") {
    const { complete } = await import("./complete.ts");
    process.stdout.write(complete(argv[1], process.env, await homeDirectory()));
  } else if (first === "ssh-proxy") {
    const proxy = await import("./commands/ssh-proxy.ts");
    await proxy.main(argv.slice(1));
  } else {
    await useCompileCache();
    const [{ run }, { processOutside }] = await Promise.all([import("./run.ts"), import("./outside.ts")]);
    process.exitCode = await run(argv, processOutside(process.env));
  }
}

/** The modules of the next run are compiled already. A cache that cannot be written is simply not used. */
async function useCompileCache(): Promise<void> {
  const [{ enableCompileCache }, { join }] = await Promise.all([import("node:module"), import("node:path")]);
  const cache = process.env.XDG_CACHE_HOME || join(await homeDirectory(), ".cache");
  enableCompileCache(join(cache, "gpu-dev", "compile"));
}

async function homeDirectory(): Promise<string> {
  return process.env.HOME || (await import("node:os")).homedir();
}
