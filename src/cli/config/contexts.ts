/** The servers that are known by name: those logged in to, and the one of this machine. */

import { existsSync } from "node:fs";
import { findEndpoint, localServerFile, readCredentials } from "../../api/home.ts";
import { rememberNames } from "../completion/cache.ts";
import type { Context } from "../context.ts";

interface KnownContext {
  readonly context: string;
  readonly url: string;
  /** The one that is used when nothing else is said on the command line. */
  readonly current: boolean;
}

/** All of them, by name; the shell's completion offers them from now on. Throws CorruptFile. */
export function knownContexts(ctx: Context): KnownContext[] {
  const known = findAll(ctx);
  rememberNames(ctx, { contexts: known.map(({ context }) => context) });
  return known;
}

function findAll({ env, home }: Context): KnownContext[] {
  const { contexts } = readCredentials(home);
  const current = findEndpoint(env, home)?.context;
  const local = existsSync(localServerFile(home)) ? findEndpoint({}, home, "local") : undefined;
  return [
    ...Object.entries(contexts).map(([context, { url }]) => ({ context, url })),
    ...(local && !("local" in contexts) ? [{ context: "local", url: local.url }] : []),
    ...(env.GPU_DEV_URL ? [{ context: "environment", url: env.GPU_DEV_URL }] : []),
  ]
    .map((known) => ({ ...known, current: known.context === current }))
    .sort((a, b) => (a.context < b.context ? -1 : 1));
}
