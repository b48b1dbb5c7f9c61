/** Hidden `gpu-dev __complete KIND`: live names for the shell, from the cache alone; never an error, never the network (C-23). */
import { homeOf } from "../api/home.ts";
import { readCompletionCache } from "./completion-cache.ts";

/** The names of `kind` (reservations, gpu-types), one on each line. */
export function complete(
  kind: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  homedir: string,
): string {
  const cache = readCompletionCache(homeOf(env, homedir).stateDir);
  const names = kind === "reservations" ? cache.reservations : kind === "gpu-types" ? cache.gpuTypes : [];
  return names.map((name) => `${name}\n`).join("");
}
