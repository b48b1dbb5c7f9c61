/** What ssh was last told of each server's reservations: those of the others stay when one is brought up to date. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findEndpoint, readCredentials } from "../../api/home.ts";
import { whileLocked, writeOwnFile } from "../../tunnel/own-file.ts";
import type { SshContext } from "../../tunnel/ssh-config.ts";
import type { Context } from "../context.ts";

/** What `connect` needs to know without asking, beside what stands in ssh_config. */
export type KnownEntry = SshContext["entries"][number] & {
  /** Null for one that was not active yet. */
  readonly endsAt: string | null;
  /** False for one that is shared with this user, whose name may be another's. */
  readonly own: boolean;
};
type KnownSshContext = Omit<SshContext, "entries"> & { readonly entries: readonly KnownEntry[] };

const file = (stateDir: string): string => join(stateDir, "ssh_contexts.json");

/** As they were written; none when the file is missing or damaged: the next list of each server writes it anew. */
export function readSshContexts(stateDir: string): KnownSshContext[] {
  try {
    const { contexts } = JSON.parse(readFileSync(file(stateDir), "utf8"));
    return Array.isArray(contexts) ? contexts : [];
  } catch {
    // Nothing is lost with it.
    return [];
  }
}

/** What becomes of the reservations that ssh knows of one server. */
interface Change extends Omit<SshContext, "entries"> {
  readonly entries: (known: readonly KnownEntry[]) => readonly KnownEntry[];
}

/** Makes `change` of what was known of its server, and answers all servers that are still known, the current one first. */
export async function keepSshContext(ctx: Context, change?: Change): Promise<SshContext[]> {
  const { stateDir } = ctx.home;
  return await whileLocked(file(stateDir), () => {
    const known = readSshContexts(stateDir);
    const others = known.filter(({ context }) => context !== change?.context);
    const before = known.find(({ context }) => context === change?.context)?.entries ?? [];
    const changed = change ? [{ ...change, entries: change.entries(before) }] : [];
    const contexts = [...changed, ...others].filter(({ context }) => isKnown(ctx, context));
    writeOwnFile(file(stateDir), JSON.stringify({ contexts }));
    const current = currentContext(ctx);
    return contexts.toSorted((a, b) => Number(b.context === current) - Number(a.context === current));
  });
}

/** The server that is meant without --context. */
export const currentContext = ({ env, home }: Context): string | undefined =>
  findEndpoint(env, home)?.context;

function isKnown({ env, home }: Context, context: string): boolean {
  if (context === "environment") return Boolean(env.GPU_DEV_URL);
  return context === "local" || Object.hasOwn(readCredentials(home).contexts, context);
}
