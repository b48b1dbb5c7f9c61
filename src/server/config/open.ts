/** What the server is started with: flags go before the configuration file's values, and these before the defaults. */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Home } from "../../api/home.ts";
import { ROLES } from "../../api/roles.ts";
import type { TlsFiles } from "../certificate.ts";
import { type ServerOptions, StartError } from "./config.ts";
import { readSettings } from "./file.ts";
import { LiveSettings } from "./live.ts";
import { POSTGRES, type SettingsFile } from "./schema.ts";

const DEFAULT_LISTEN = "127.0.0.1:4780";
/** Nobody has to find a process without the API: the others hand tunnels to it by themselves. */
const ANY_PORT = "127.0.0.1:0";
const FILE = "server.yaml";
const SYSTEM_FILE = join("/etc", "gpu-dev", FILE);

type Defaulted = "listen" | "simulate" | "logLevel" | "isolation";
/** What was typed; the rest comes from the file. */
export type ServerFlags = Omit<ServerOptions, Defaulted | "live"> & Partial<Pick<ServerOptions, Defaulted>>;

/** Reads the configuration file, if there is one. Throws StartError when it is not as it should be. */
export async function openConfig(flags: ServerFlags): Promise<ServerOptions> {
  const configFile = flags.configFile ?? (await defaultFile(flags.home));
  const file = configFile === undefined ? {} : await readSettings(configFile);
  const secrets = await readSecrets(file);
  const listens = (flags.roles ?? ROLES).includes("api");
  return {
    simulate: [],
    logLevel: "info",
    isolation: "auto",
    ...optionsOf(file),
    ...secrets,
    listen: listens ? (file.listen ?? DEFAULT_LISTEN) : ANY_PORT,
    ...given({ ...flags, configFile }),
    live: new LiveSettings(file),
  };
}

/** The user's own file, else the machine's; undefined when there is neither. */
export async function defaultFile(home: Home): Promise<string | undefined> {
  for (const file of [join(home.configDir, FILE), SYSTEM_FILE]) {
    const there = await access(file).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT" && error.code !== "ENOTDIR",
    );
    if (there) return file;
  }
  return undefined;
}

const optionsOf = (file: SettingsFile): Partial<ServerOptions> =>
  given({
    dataDir: file.data_dir,
    databaseUrl: file.database,
    tls: tlsOf(file),
    secretFiles: secretFilesOf(file),
    secretsKeyFile: file.secrets_key_file,
    behindProxy: file.behind_proxy,
    publicUrl: file.public_url,
    metricsListen: file.metrics_listen,
    traces: file.traces,
    domain: file.domain,
    isolation: file.isolation,
    driver: file.driver,
    docker: file.docker,
    logLevel: file.log_level,
    simulate: file.simulate,
    detachMaxS: file.detach_max,
    drainMaxS: file.drain_max,
    tunnelUrl: file.tunnel_url,
    podUrl: file.pod_url,
    idleAfterS: file.idle_after,
    auditRetentionS: file.audit_retention,
    githubKeysUrl: file.github_keys_url,
    images: file.images,
    logins: file.logins,
    loginTtlS: file.login_ttl,
  });

/** What stands in files of its own. Throws StartError without a word of what is in them. */
async function readSecrets({
  database_file: path,
}: SettingsFile): Promise<Pick<ServerOptions, "databaseUrl">> {
  if (path === undefined) return {};
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new StartError(`database_file ${path} cannot be read (${cause.code})`, { cause });
  });
  const url = text.trim();
  if (!POSTGRES.test(url))
    throw new StartError(`database_file ${path} holds no URL that begins with postgres://`);
  return { databaseUrl: url };
}

/** Pods must not read these. */
const secretFilesOf = ({
  tls_key,
  database_file,
  secrets_key_file,
  logins,
  images,
}: SettingsFile): string[] =>
  [
    ...[tls_key, database_file, secrets_key_file],
    ...[logins?.oidc?.client_secret_file, logins?.github?.client_secret_file],
    ...Object.values(images?.registries ?? {}).map((registry) => registry.password_file),
  ].filter((path) => path !== undefined);

const tlsOf = ({ tls_cert: cert, tls_key: key }: SettingsFile): TlsFiles | undefined =>
  cert === undefined || key === undefined ? undefined : { cert, key };

/** Without the keys that have no value. */
const given = <T extends object>(values: T) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
