/** What the server is started with, checked before anything is opened. */
import { isIP } from "node:net";
import { join } from "node:path";
import type { DestinationStream } from "pino";
import type { Home } from "../../api/home.ts";
import type { Role } from "../../api/roles.ts";
import type { TlsFiles } from "../certificate.ts";
import type { DockerSettings } from "./docker.ts";
import type { ImageFile } from "./images.ts";
import type { LiveSettings } from "./live.ts";
import type { LoginSettings } from "./logins.ts";

export interface ServerOptions {
  /** What is printed to stdout is one JSON document. */
  readonly json?: boolean;
  /** Default: `gpu-dev` below the user's XDG data directory. */
  readonly dataDir?: string;
  /** HOST:PORT; port 0 picks a free one. */
  readonly listen: string;
  /** The certificate to show; without it, plain HTTP. */
  readonly tls?: TlsFiles;
  /** Networks of the proxies that end TLS, which are believed about their clients' addresses. */
  readonly behindProxy?: readonly string[];
  /** Where users reach the API; default: where it listens, by a name that the certificate has. */
  readonly publicUrl?: string;
  /** Where spans are posted, as OTLP over HTTP; default: nothing is traced. */
  readonly traces?: string;
  /** HOST:PORT that answers /metrics, /healthz and /readyz without a token. */
  readonly metricsListen?: string;
  /** GPUs that only exist for demonstrations and tests. */
  readonly simulate: readonly { readonly gpuType: string; readonly count: number; readonly nodes?: number }[];
  /** Of pino: trace, debug, info, warn, error, fatal or silent. */
  readonly logLevel: string;
  /** Of the local driver. */
  readonly isolation: "auto" | "namespaces" | "processes";
  /** Where GPUs come from; the URL is of one Docker Engine. Default: local. */
  readonly driver?: { readonly driver: "local" | "docker"; readonly url?: string };
  /** For the Docker driver. */
  readonly docker?: DockerSettings;
  /** postgres://…; default: SQLite in the data directory. */
  readonly databaseUrl?: string;
  /** Pods' hosts are `<id>.<domain>`; never resolved by DNS. */
  readonly domain?: string;
  /** Where accounts' ssh keys are had, as `<url>/NAME.keys`; "none" asks nobody. Default: https://github.com. */
  readonly githubKeysUrl?: string;
  /** What pods may be made of, for a driver that has images. */
  readonly images?: ImageFile;
  /** Who may log in by a provider; default: nobody. */
  readonly logins?: LoginSettings;
  /** Seconds that the token of such a login is good; default: 7 days. */
  readonly loginTtlS?: number;
  /** Of this server's registrations at providers, where no file has them. */
  readonly loginSecrets?: { readonly oidc?: string | undefined; readonly github?: string | undefined };
  /** Where server.json is left for the command line of the same user. */
  readonly home: Home;
  /** Where the log goes; default: stderr. */
  readonly logTo?: DestinationStream;
  /** What this process does; default: all. */
  readonly roles?: readonly Role[];
  /** How long a session without a connection waits for its client; default: 5 minutes. */
  readonly detachMaxS?: number;
  /** How long a stopped server lives on for the sessions that it has; 0 ends them at once. Default: 1 hour. */
  readonly drainMaxS?: number;
  /** Where the command line of the same user sends its tunnels; default: where the API is. */
  readonly tunnelUrl?: string;
  /** Seconds after which a pod that nobody uses is ended; default: never. */
  readonly idleAfterS?: number;
  /** Seconds for which the audit trail is kept; 0 for ever. */
  readonly auditRetentionS?: number;
  /** Where pods reach the API; default: where it listens. */
  readonly podUrl?: string;
  /** How long a start waits for another server to let go of the data directory, in milliseconds; default: 6 s. */
  readonly takeOverMs?: number;
  /** File with the key for users' secrets; default: one in the data directory, which the first start makes. */
  readonly secretsKeyFile?: string;
  /** The key that they were sealed with is lost: forget them, and start with another one. */
  readonly forgetSecrets?: boolean;
  /** Files that pods must not read, beside the configuration. */
  readonly secretFiles?: readonly string[];
  /** Where `live` was read from, if it was. */
  readonly configFile?: string;
  /** What may change while the server runs; default: nothing is stated. */
  readonly live?: LiveSettings;
  /** Default: the clock of this machine. */
  readonly clock?: { now(): Date };
}

export const DEFAULT_GITHUB = "https://github.com";
export const DEFAULT_DOMAIN = "gpu-dev.internal";
export const DEFAULT_DRAIN_MAX_S = 3600;
/** A stop takes up to 5 s in which the data directory is still held. */
export const DEFAULT_TAKE_OVER_MS = 6000;

/** The server cannot start as asked; the message is one line for whoever typed the command. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** Host and port of HOST:PORT. Throws StartError for another form, and beyond loopback unless TLS hides the tokens. */
export function parseListen(
  listen: string,
  { tls, behindProxy }: Pick<ServerOptions, "tls" | "behindProxy"> = {},
): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  const name = match?.[1] ?? match?.[2];
  if (name === undefined || port > 65_535)
    throw new StartError(`--listen ${listen}: expected HOST:PORT, such as 127.0.0.1:4780`);
  // Not left to DNS: what /etc/hosts says about localhost must not open the server to others.
  const host = name.toLowerCase() === "localhost" ? "127.0.0.1" : name;
  if (isIP(host) === 0)
    throw new StartError(
      `--listen ${listen}: expected an IP address, such as 0.0.0.0:${port} for all of them`,
    );
  if (isLoopback(host) || tls || behindProxy) return { host, port };
  throw new StartError(
    `--listen ${listen}: without TLS it listens on loopback only, since tokens would travel readable; set tls_cert and tls_key in the ` +
      `configuration file, or behind_proxy with the addresses of the proxy that ends TLS, or use 127.0.0.1:${port}`,
  );
}

export const isLoopback = (host: string): boolean =>
  isIP(host) === 4 ? host.startsWith("127.") : host === "::1";

/** The directory for data when none is given: XDG_DATA_HOME, else ~/.local/share. */
export const defaultDataDir = (env: Readonly<Record<string, string | undefined>>, homedir: string): string =>
  join(env.XDG_DATA_HOME || join(homedir, ".local", "share"), "gpu-dev");
