/** What ssh was last told of each server's reservations: those of the others stay when one is brought up to date. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findEndpoint, readCredentials } from "../../api/home.ts";
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

/** Puts `changed` in the place of what was known of its server, and answers all servers that are still known, the current one first. */
export async function keepSshContext(ctx: Context, changed?: KnownSshContext): Promise<SshContext[]> {
  const { stateDir } = ctx.home;
  const { whileLocked, writeOwnFile } = await import("../../tunnel/own-file.ts");
  return await whileLocked(file(stateDir), async () => {
    const others = readSshContexts(stateDir).filter(({ context }) => context !== changed?.context);
    const contexts = [...(changed ? [changed] : []), ...others].filter(({ context }) =>
      isKnown(ctx, context),
    );
    await writeOwnFile(file(stateDir), JSON.stringify({ contexts }));
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
