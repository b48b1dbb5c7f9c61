/**
 * Where the files of a user are, and how the command line and the ssh-proxy find the server: plain documented JSON,
 * read without any library. Precedence: flag > GPU_DEV_URL and GPU_DEV_TOKEN > credentials.json > server.json. Tunnels go to the
 * same URL, unless GPU_DEV_TUNNEL_URL or the entry's `tunnel_url` says otherwise.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LoginKind } from "./login-routes.ts";

export interface Home {
  /** config.json and credentials.json (0600). */
  readonly configDir: string;
  /** ssh_config, known_hosts, id_ed25519, server.json and caches; 0700. */
  readonly stateDir: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** GPU_DEV_HOME moves all of the files; else they are where design and habit put them. */
export function homeOf(env: Env, homedir: string): Home {
  const moved = env.GPU_DEV_HOME;
  if (moved) return { configDir: moved, stateDir: moved };
  return {
    configDir: join(env.XDG_CONFIG_HOME || join(homedir, ".config"), "gpu-dev"),
    stateDir: join(homedir, ".gpu-dev"),
  };
}

/** credentials.json: tokens by context. */
export interface Credentials {
  readonly current?: string;
  readonly contexts: Readonly<Record<string, Stored>>;
}

interface Stored {
  readonly url: string;
  readonly token?: string;
  /** Where tunnels go, when that is not where the API is. */
  readonly tunnel_url?: string;
  /** How the token was had, by which another one can be. */
  readonly login?: LoginKind;
}

/** server.json: left by a running `gpu-dev server` for the CLI of the same user; the context is called "local". */
export interface LocalServer {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** As in credentials.json. */
  readonly tunnel_url?: string;
}

export const credentialsFile = (home: Home): string => join(home.configDir, "credentials.json");
export const localServerFile = (home: Home): string => join(home.stateDir, "server.json");

export interface Endpoint {
  readonly context: string;
  /** Without a trailing slash. */
  readonly url: string;
  readonly token: string | undefined;
  /** Where the URL was found, for messages: "GPU_DEV_URL", or a file's path. */
  readonly origin: string;
  /** Where tunnels go, when that is not `url`. */
  readonly tunnelUrl?: string;
}

/** A file of ours that cannot be understood. */
export class CorruptFile extends SyntaxError {
  readonly file: string;
  constructor(file: string, cause?: unknown) {
    super(`${file} is not valid`, { cause });
    this.file = file;
  }
}

/** The server to talk to, or undefined when none is configured. Throws CorruptFile. */
export function findEndpoint(env: Env, home: Home, wanted?: string): Endpoint | undefined {
  const context = wanted ?? env.GPU_DEV_CONTEXT;
  const found = fromFiles(home, context);
  if (env.GPU_DEV_URL && wanted === undefined) return fromEnvironment(env, env.GPU_DEV_URL, found);
  return found && env.GPU_DEV_TOKEN ? { ...found, token: env.GPU_DEV_TOKEN } : found;
}

/** The same for tunnels. A stored token goes along only to a URL that stands beside it. */
export function tunnelEndpoint(env: Env, found: Endpoint): Endpoint {
  const { tunnelUrl, ...api } = found;
  const stored = tunnelUrl === undefined ? api : { ...api, url: tunnelUrl };
  if (!env.GPU_DEV_TUNNEL_URL) return stored;
  const url = trim(env.GPU_DEV_TUNNEL_URL);
  const token = env.GPU_DEV_TOKEN || (url === stored.url || url === api.url ? found.token : undefined);
  return { ...api, url, token, origin: "GPU_DEV_TUNNEL_URL" };
}

/** A stored token goes along only to the very URL that it was stored for. */
function fromEnvironment(env: Env, given: string, found: Endpoint | undefined): Endpoint {
  const url = trim(given);
  const stored = found?.url === url ? found : undefined;
  const token = env.GPU_DEV_TOKEN || stored?.token;
  return { context: "environment", url, token, origin: "GPU_DEV_URL", ...tunnelOf(stored?.tunnelUrl) };
}

const tunnelOf = (url: string | undefined): { tunnelUrl?: string } =>
  url === undefined ? {} : { tunnelUrl: trim(url) };

function fromFiles(home: Home, context: string | undefined): Endpoint | undefined {
  const file = credentialsFile(home);
  const credentials = readCredentials(home);
  const name = context ?? credentials.current;
  const entry = name === undefined ? undefined : credentials.contexts[name];
  if (name !== undefined && entry) {
    const { url, token, tunnel_url } = entry;
    return { context: name, url: trim(url), token, origin: file, ...tunnelOf(tunnel_url) };
  }
  return name === undefined || name === "local" ? fromLocalServer(home) : undefined;
}

/** What credentials.json says; nothing when it is not there. Throws CorruptFile. */
export function readCredentials(home: Home): Credentials {
  const file = credentialsFile(home);
  const found = readJson<Partial<Credentials> | null>(file) ?? { contexts: {} };
  const { current, contexts } = found;
  const entries = typeof contexts === "object" && contexts !== null ? Object.values(contexts) : [undefined];
  if (entries.some((entry) => typeof entry?.url !== "string")) throw new CorruptFile(file);
  return { ...(current === undefined ? {} : { current }), contexts: contexts ?? {} };
}

function fromLocalServer(home: Home): Endpoint | undefined {
  const file = localServerFile(home);
  const server = readJson<LocalServer>(file);
  if (!server) return undefined;
  // The port of a server that died may be somebody else's by now, a pod's on this machine for one: it gets no token.
  const token = isAlive(server.pid) ? server.token : undefined;
  return { context: "local", url: trim(server.url), token, origin: file, ...tunnelOf(server.tunnel_url) };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const trim = (url: string): string => url.replace(/\/+$/, "");

function readJson<T>(file: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new CorruptFile(file, cause);
  }
}
