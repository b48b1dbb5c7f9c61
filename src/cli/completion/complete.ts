/** Hidden `gpu-dev __complete KIND`: live names for the shell, from the cache alone; never an error, never the network (C-23). */
import { homeOf } from "../../api/home.ts";
import { type CompletionCache, readCompletionCache } from "./cache.ts";

/** What the kinds of `Completes` are called in the cache. */
const KINDS = new Map<string, keyof CompletionCache>([
  ["reservations", "reservations"],
  ["gpu-types", "gpuTypes"],
  ["contexts", "contexts"],
  ["disks", "disks"],
  ["nodes", "nodes"],
  ["node-labels", "nodeLabels"],
]);

/** The names of `kind`, one on each line; none for a kind that there is not. */
export function complete(
  kind: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  homedir: string,
): string {
  const part = KINDS.get(kind ?? "");
  const names = part === undefined ? [] : readCompletionCache(homeOf(env, homedir).stateDir)[part];
  return names.map((name) => `${name}\n`).join("");
}
