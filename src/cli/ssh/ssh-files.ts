/** Keeps our own ssh configuration and the completion cache in step with the live reservations. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isId, nameFault } from "../../api/names.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { SshConfig, SshContext } from "../../tunnel/ssh-config.ts";
import { readCompletionCache, rememberNames } from "../completion/cache.ts";
import { fileTrouble } from "../config/file-trouble.ts";
import type { Context } from "../context.ts";
import { currentContext, type KnownEntry, keepSshContext, readSshContexts } from "./ssh-contexts.ts";

export const sshConfigFile = (stateDir: string): string => join(stateDir, "ssh_config");

/**
 * Writes ssh_config, known_hosts and the completion cache for the live reservations, which are asked for when they are not
 * given. The command's own work is done by then: a failure is only told.
 */
export const refreshSshFiles = (ctx: Context, given?: readonly Reservation[]): Promise<void> =>
  orTold(ctx, async () => {
    const live = given ?? (await ctx.api().listReservations({ query: { limit: "500" } })).items;
    if (nothingToWrite(ctx, live)) return;
    // ssh takes the first block of a name: your own comes before one that is shared with you.
    const inOrder = live.toSorted((a, b) => rank(a) - rank(b));
    await writeSsh(ctx, inOrder, () => []);
    rememberNames(ctx, { reservations: live.map((r) => r.name ?? r.id) });
  });

/** Brings what ssh knows of `reservation` up to date, without asking the server for the others. */
export const updateSshFiles = (ctx: Context, reservation: Reservation): Promise<void> =>
  orTold(ctx, () => writeSsh(ctx, [reservation], (known) => known.filter(({ id }) => id !== reservation.id)));

async function orTold(ctx: Context, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const words = fileTrouble(error)?.message ?? (error instanceof Error ? error.message : error);
    ctx.say(`The ssh configuration could not be brought up to date: ${words}`);
  }
}

const rank = (r: Reservation): number => (r.access === "collaborator" ? 1 : 0);

/** Brings the files in line with another choice of servers, without asking any of them. */
export async function rewriteSshFiles(ctx: Context): Promise<void> {
  if (existsSync(sshConfigFile(ctx.home.stateDir))) await writeAll(ctx, await keepSshContext(ctx));
}

/** Most calls of `list` find nothing reserved, as the last one did: they need neither the domain nor the writer. */
function nothingToWrite(ctx: Context, live: readonly Reservation[]): boolean {
  const { stateDir } = ctx.home;
  if (live.length > 0 || readCompletionCache(stateDir).reservations.length > 0) return false;
  const { context } = ctx.endpoint();
  const known = readSshContexts(stateDir).find((one) => one.context === context);
  return known?.entries.length === 0 && existsSync(sshConfigFile(stateDir));
}

/** Of what was known of this server, what `kept` says stays, behind these. */
async function writeSsh(
  ctx: Context,
  live: readonly Reservation[],
  kept: (known: readonly KnownEntry[]) => readonly KnownEntry[],
): Promise<void> {
  const all = live.flatMap(entriesOf);
  const readable = all.filter(isReadable);
  for (const { id } of all.filter((entry) => !isReadable(entry)))
    ctx.say(
      `ssh is not told of the reservation ${JSON.stringify(id)}: its words must not stand in a configuration`,
    );
  const domain = await domainOf(ctx, live);
  const entries = (known: readonly KnownEntry[]) => [...readable, ...kept(known)];
  await writeAll(ctx, await keepSshContext(ctx, { context: ctx.endpoint().context, domain, entries }));
}

async function writeAll(ctx: Context, [first, ...others]: readonly SshContext[]): Promise<void> {
  if (!first) return;
  const isCurrent = first.context === currentContext(ctx);
  const { writeSshConfig } = await import("../../tunnel/ssh-config.ts");
  await writeSshConfig(ctx.home, {
    ...first,
    // Names belong to the current server, of which nothing may be known yet.
    entries: isCurrent ? first.entries : first.entries.map((entry) => ({ ...entry, name: null })),
    others,
    node: process.execPath,
    proxyScript: fileURLToPath(new URL(PROXY_SCRIPT, import.meta.url)),
    env: { GPU_DEV_HOME: ctx.env.GPU_DEV_HOME },
  });
}

/** One for each node; an older server tells of none, and has one. */
function entriesOf(r: Reservation): KnownEntry[] {
  const { id, name, ssh_user: user, host_key: hostKey } = r;
  if (hostKey === null || user === null) return [];
  const known = { own: r.access === "owner", endsAt: r.state === "active" ? r.ends_at : null };
  if ((r.nodes?.length ?? 0) < 2) return [{ id, name, host: r.ssh_host, user, hostKey, ...known }];
  return r.nodes.map(({ rank, ssh_host: host }) => ({ id, name, rank, host, user, hostKey, ...known }));
}

const HOST = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i;
/** Directories give accounts names such as jane@corp.example.com. */
const USER = /^[a-z_][a-z0-9_.@+-]{0,63}$/i;
const HOST_KEY = /^[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/;

/** These words become lines of a file that every ssh of the user reads: a server must not write others there. One that does hides only itself (C-15). */
function isReadable({ id, name, host, user, hostKey }: SshConfig["entries"][number]): boolean {
  const named = name === null || nameFault(name) === undefined;
  return isId(id) && named && HOST.test(host) && USER.test(user) && HOST_KEY.test(hostKey);
}

/** Both from dist/ and, with one more step, from src/cli/: the entry files stand in bin/ of the package. */
const PROXY_SCRIPT = import.meta.url.includes("/src/cli/")
  ? "../../../bin/gpu-dev-ssh-proxy.js"
  : "../bin/gpu-dev-ssh-proxy.js";

/** `<id>.<domain>` has it; without any reservation that says so the server is asked. */
async function domainOf(ctx: Context, live: readonly Reservation[]): Promise<string> {
  const host = live.map((r) => r.ssh_host).find((name) => HOST.test(name));
  if (host !== undefined) return host.slice(host.indexOf(".") + 1);
  return (await ctx.api().getDeployment({})).domain;
}
