/** What OpenSSH reads of ours: `ssh_config`, which names the ssh-proxy as ProxyCommand, and `known_hosts`. */
import { join } from "node:path";
import type { Home } from "../api/home.ts";
import { id8 } from "../api/names.ts";
import { changeHosts, knownHostsFile } from "./known-hosts.ts";
import { writeOwnFile } from "./own-file.ts";

/** A reservation that ssh can reach. */
interface SshEntry {
  readonly id: string;
  /** Of several nodes, which; the first has no number in its host name. */
  readonly rank?: number | undefined;
  readonly name: string | null;
  /** `<id>.<domain>` or `<id>-<n>.<domain>`. */
  readonly host: string;
  readonly user: string;
  /** As in known_hosts: "ssh-ed25519 AAAA…". */
  readonly hostKey: string;
}

/** What ssh is told of one server. */
export interface SshContext {
  /** The name by which the ssh-proxy finds URL and token. */
  readonly context: string;
  readonly domain: string;
  readonly entries: readonly SshEntry[];
}

/** The current server, whose reservations answer to their names as well, and which is asked for those made elsewhere. */
export interface SshConfig extends SshContext {
  /** Of these only the aliases by id are known. */
  readonly others?: readonly SshContext[];
  /** Absolute path of the node binary. */
  readonly node: string;
  /** Absolute path of bin/gpu-dev-ssh-proxy.js. */
  readonly proxyScript: string;
  /** GPU_DEV_HOME, if it is set, goes along to the ssh-proxy: ssh may run in another environment. */
  readonly env?: { readonly GPU_DEV_HOME?: string | undefined };
}

/** The account for reservations made elsewhere, when nothing here tells it. */
const DEFAULT_USER = "dev";

/** sun_path (108 on Linux, 104 elsewhere) less its final zero, "/", the 40 of %C and the 17 that ssh appends while it makes the socket. */
const MAX_CONTROL_DIR = (process.platform === "linux" ? 108 : 104) - 1 - 1 - 40 - 17;

export const sshConfigFile = (home: Home): string => join(home.stateDir, "ssh_config");

/**
 * Writes `ssh_config` and `known_hosts` below the state directory, by write and rename, mode 0600 in 0700.
 * Keys of other domains stay; those of these domains' other hosts go, and the ssh-proxy fetches them again if needed.
 */
export async function writeSshConfig(
  home: Home,
  given: SshConfig,
  platform: NodeJS.Platform = process.platform,
): Promise<void> {
  const all = [given, ...(given.others ?? [])];
  const hosts = new Map(all.flatMap(({ entries }) => entries.map(({ host, hostKey }) => [host, hostKey])));
  await changeHosts(home, hosts, (host) => !all.some(({ domain }) => host.endsWith(`.${domain}`)));
  writeOwnFile(sshConfigFile(home), renderSshConfig({ home, given, platform }));
}

/** What all lines depend on. */
interface Scene {
  readonly home: Home;
  readonly given: SshConfig;
  readonly platform: NodeJS.Platform;
}

/** The text of `ssh_config`. Throws for a path that ssh_config cannot say. */
function renderSshConfig(scene: Scene): string {
  const { given } = scene;
  const user = given.entries[0]?.user ?? DEFAULT_USER;
  const blocks = [
    ...contextBlocks(scene, given),
    ...(given.others ?? []).flatMap((other) =>
      contextBlocks(scene, {
        ...other,
        entries: other.entries.map((entry) => ({ ...entry, name: null })),
      }),
    ),
    // Reservations made elsewhere. A name with a quote is kept out: ssh pastes names into the ProxyCommand's shell line.
    block(`gpu-dev-* ${isWindows(scene) ? `'!*"*'` : `"!*'*"`}`, [
      `HostName %h.${given.domain}`,
      `User ${user}`,
      ...commonLines(scene, given),
    ]),
  ];
  return [
    "# Written by gpu-dev, and written anew as reservations come and go: changes here are lost.",
    ...blocks,
  ]
    .join("\n\n")
    .concat("\n");
}

function contextBlocks(scene: Scene, of: SshContext): string[] {
  const common = commonLines(scene, of);
  return of.entries.map((entry) => block(aliases(entry), [...ownLines(entry), ...common]));
}

const block = (hosts: string, lines: readonly string[]): string =>
  [`Host ${hosts}`, ...lines.map((line) => `  ${line}`)].join("\n");

/** The first node of several answers to the reservation's own names as well. */
function aliases({ id, name, rank }: SshEntry): string {
  const own = [`gpu-dev-${id8(id)}`, ...(name === null ? [] : [name])];
  const numbered = rank === undefined ? [] : [`gpu-dev-${id8(id)}-${rank}`];
  return [...(rank ? [] : own), ...numbered].join(" ");
}

const ownLines = ({ host, user }: SshEntry): string[] => [
  `HostName ${host}`,
  `HostKeyAlias ${host}`,
  `User ${user}`,
];

function commonLines(scene: Scene, of: SshContext): string[] {
  const { stateDir } = scene.home;
  return [
    `UserKnownHostsFile ${path(scene, knownHostsFile(scene.home))}`,
    "StrictHostKeyChecking yes",
    "UpdateHostKeys no",
    `IdentityFile ${path(scene, join(stateDir, "id_ed25519"))}`,
    // The keys of a full agent would use up the attempts that sshd allows before ours is tried.
    "IdentitiesOnly yes",
    // The tunnel keeps itself alive; ssh would give up after three missed answers.
    "ServerAliveInterval 0",
    ...controlLines(scene),
    `ProxyCommand ${proxyCommand(scene, of)}`,
  ];
}

/** Connection sharing, where the socket's path is short enough for one. OpenSSH on Windows has none. */
function controlLines(scene: Scene): string[] {
  const dir = scene.home.stateDir;
  if (isWindows(scene) || Buffer.byteLength(dir) > MAX_CONTROL_DIR) return [];
  return ["ControlMaster auto", `ControlPath ${path(scene, join(dir, "%C"), "%C")}`, "ControlPersist 10m"];
}

const isWindows = ({ platform }: Scene): boolean => platform === "win32";

function proxyCommand(scene: Scene, { context, domain }: SshContext): string {
  const { node, proxyScript, env } = scene.given;
  const home = env?.GPU_DEV_HOME ? ["--home", slashed(scene, env.GPU_DEV_HOME)] : [];
  const programs = [slashed(scene, node), slashed(scene, proxyScript)];
  const words = [...programs, "--context", context, "--domain", domain, ...home];
  const host = isWindows(scene) ? '"%h"' : "'%h'";
  return [...words.map((word) => shellWord(scene, word)), "--", host, "%p"].join(" ");
}

/** One word of the user's shell (cmd.exe on Windows), in which ssh has yet to replace `%` tokens. */
function shellWord(scene: Scene, word: string): string {
  const plain = word.replaceAll("%", "%%");
  if (/^[\w@+=:,./%-]+$/.test(plain)) return plain;
  return isWindows(scene) ? `"${plain}"` : `'${plain.replaceAll("'", `'\\''`)}'`;
}

/** Windows takes both slashes; for ssh and shells the backward one means something else. */
const slashed = (scene: Scene, given: string): string =>
  isWindows(scene) ? given.replaceAll("\\", "/") : given;

/** A path as ssh_config reads it: quoted, with `%` tokens escaped (but `token`, when it ends in one). */
function path(scene: Scene, given: string, token = ""): string {
  if (/["\n]|\$\{/.test(given))
    throw new Error(`ssh_config cannot name ${JSON.stringify(given)}; move it with GPU_DEV_HOME`);
  const plain = slashed(scene, given.slice(0, given.length - token.length))
    .replaceAll("\\", "\\\\")
    .replaceAll("%", "%%");
  return `"${plain}${token}"`;
}
