/** The names that the shell's completion offers, left by the commands that saw them (C-23). */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../context.ts";

export interface CompletionCache {
  readonly reservations: readonly string[];
  readonly gpuTypes: readonly string[];
  readonly contexts: readonly string[];
  readonly disks: readonly string[];
  readonly nodes: readonly string[];
  /** As `--node-label` takes them: `zone=a`. */
  readonly nodeLabels: readonly string[];
}

const completionCacheFile = (stateDir: string): string => join(stateDir, "completion.json");

/** What the cache has; nothing when it is missing or damaged: it is only a convenience. */
export function readCompletionCache(stateDir: string): CompletionCache {
  try {
    const cache = JSON.parse(readFileSync(completionCacheFile(stateDir), "utf8"));
    return {
      reservations: strings(cache.reservations),
      gpuTypes: strings(cache.gpuTypes),
      contexts: strings(cache.contexts),
      disks: strings(cache.disks),
      nodes: strings(cache.nodes),
      nodeLabels: strings(cache.nodeLabels),
    };
  } catch {
    // Whatever is wrong with the file, a shell in the middle of a line is no place to say it.
    return { reservations: [], gpuTypes: [], contexts: [], disks: [], nodes: [], nodeLabels: [] };
  }
}

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string" && /^[\w.=/-]+$/.test(item)) : [];

/** Replaces a part of the cache. A home that cannot be written is no reason to fail: the names are only a convenience. */
export function rememberNames(ctx: Context, part: Partial<CompletionCache>): void {
  try {
    write(ctx.home.stateDir, { ...readCompletionCache(ctx.home.stateDir), ...part });
  } catch (error) {
    ctx.detail(`The names for completion were not kept: ${error instanceof Error ? error.message : error}`);
  }
}

function write(stateDir: string, cache: CompletionCache): void {
  const file = completionCacheFile(stateDir);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const made = `${file}.${process.pid}`;
  writeFileSync(made, JSON.stringify(cache), { mode: 0o600 });
  renameSync(made, file);
}
