/** `gpu-dev server`: the whole server in one process, or some of its roles. */
import { exactDuration, parseDuration } from "../../api/duration.ts";
import { DRIVER_FORMS, parseDriver } from "../../api/engine-url.ts";
import { ROLES, type Role } from "../../api/roles.ts";
import { parseSimulated, SIMULATED_FORMS } from "../../api/simulated.ts";
import { defineCommand, type Values } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { choice, flag, parsed, repeated, text } from "../options.ts";

const DEFAULT_LISTEN = "127.0.0.1:4780";
const DETACH_S = { least: 10, most: 24 * 3600 };
const DRAIN_S = { least: 0, most: 7 * 24 * 3600 };
const IDLE_S = { least: 300, most: 30 * 86_400 };

const options = {
  config: text(
    "--config <FILE>",
    "Configuration file (default: server.yaml in the directory of your configuration, else /etc/gpu-dev/server.yaml)",
    "files",
  ),
  dataDir: text(
    "--data-dir <DIR>",
    "Where its data are kept (default: ~/.local/share/gpu-dev)",
    "directories",
  ),
  listen: parsed(
    "--listen <HOST:PORT>",
    `Address; port 0 picks a free one, as without the role api (default: ${DEFAULT_LISTEN})`,
    address,
  ),
  role: {
    ...repeated(
      "--role <ROLE>",
      `What this process does: ${ROLES.join(", ")}; repeatable, or with commas (default: all)`,
      roles,
    ),
    completes: ROLES,
  },
  simulate: repeated(
    "--simulate <TYPE:COUNT[xNODES]>",
    "Add GPUs that do not exist, on so many nodes that do not either, marked so everywhere; repeatable",
    simulation,
  ),
  logLevel: choice("--log-level <LEVEL>", "Log at and above this (default: info)", [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "fatal",
    "silent",
  ]),
  driver: parsed(
    "--driver <DRIVER>",
    "Where GPUs come from: local, docker, or docker=URL (default: local)",
    driver,
  ),
  isolation: choice("--isolation <HOW>", "How reservations are kept apart (default: auto)", [
    "auto",
    "namespaces",
    "processes",
  ]),
  database: parsed(
    "--database <URL>",
    "PostgreSQL, as postgres://… (GPU_DEV_DATABASE, or database_file of the configuration, when it has a password; default: SQLite)",
    databaseFlag,
  ),
  domain: parsed(
    "--domain <NAME>",
    "Domain of the reservations' ssh hosts; never looked up (default: gpu-dev.internal)",
    domainName,
  ),
  detachMax: parsed(
    "--detach-max <TIME>",
    "A tunnel whose connection broke waits so long for its client (default: 5m)",
    (given) => timeWithin(given, DETACH_S),
  ),
  drainMax: parsed(
    "--drain-max <TIME>",
    "When told to stop, live on so long for open ssh sessions; 0 ends them at once (default: 1h)",
    (given) => timeWithin(given, DRAIN_S),
  ),
  tunnelUrl: parsed(
    "--tunnel-url <URL>",
    "Where this user's tunnels go, when not through the API's process (default: where the API is)",
    httpUrl,
  ),
  idleAfter: parsed(
    "--idle-after <TIME>",
    "End a reservation after so long without ssh connection and without work for its GPUs (default: never)",
    (given) => timeWithin(given, IDLE_S),
  ),
  podUrl: parsed(
    "--pod-url <URL>",
    "Where pods reach the API, to show and cancel their own reservation (default: where it listens)",
    httpUrl,
  ),
  forgetSecrets: flag(
    "--forget-secrets",
    "The key of users' secrets is lost: forget their logins for registries, and start with another key",
  ),
  githubKeysUrl: parsed(
    "--github-keys-url <URL>",
    "Where ssh keys of collaborators from GitHub are had, as URL/NAME.keys, or none (default: https://github.com)",
    (given) => (given === "none" ? given : httpUrl(given)),
  ),
};

export const command = defineCommand({
  options,
  details:
    "Prints one line with its URL when it is ready (with --json one document), and logs to stderr. The command line of the same user finds it by itself. Flags go before the configuration file (docs/configuration.md); SIGHUP reads its GPU types, nodes, limits and webhooks again.",
  examples: [
    { line: "gpu-dev server", meaning: "This machine's GPUs, or its CPUs when it has none" },
    {
      line: "gpu-dev server --simulate h100:8 --listen 127.0.0.1:0",
      meaning: "Eight GPUs that do not exist, for trying things out",
    },
    {
      line: "gpu-dev server --simulate h100:8x4",
      meaning: "Four nodes of eight, to try several nodes at once",
    },
    {
      line: "gpu-dev server --driver docker",
      meaning: "Each reservation is a container of this machine's Docker Engine",
    },
    {
      line: "gpu-dev server --config server.yaml",
      meaning: "GPU types, prices and limits as the file has them",
    },
    {
      line: "gpu-dev server --role gateway --listen 127.0.0.1:4781",
      meaning: "Only the ssh sessions: they go on while the rest is upgraded",
    },
    {
      line: "gpu-dev server --role api,worker --tunnel-url http://127.0.0.1:4781",
      meaning: "The rest",
    },
  ],
  async run(_args, given, ctx): Promise<number> {
    const { runServer } = await import("../../server/main.ts");
    return await runServer(
      { ...serverOptions(given, ctx.env), home: ctx.home, json: ctx.global.json },
      ctx.io,
    );
  },
});

function serverOptions(given: Values<typeof options>, env: Context["env"]) {
  const database = given.database ?? fromEnvironment(env.GPU_DEV_DATABASE);
  const loginSecrets = {
    oidc: env.GPU_DEV_OIDC_CLIENT_SECRET || undefined,
    github: env.GPU_DEV_GITHUB_CLIENT_SECRET || undefined,
  };
  return {
    roles: given.role?.flat() ?? ROLES,
    loginSecrets,
    ...(given.config === undefined ? {} : { configFile: given.config }),
    ...(given.listen === undefined ? {} : { listen: given.listen }),
    ...(given.simulate === undefined ? {} : { simulate: given.simulate }),
    ...(given.logLevel === undefined ? {} : { logLevel: given.logLevel }),
    ...(given.driver === undefined ? {} : { driver: given.driver }),
    ...(given.isolation === undefined ? {} : { isolation: given.isolation }),
    ...(given.dataDir === undefined ? {} : { dataDir: given.dataDir }),
    ...(database === undefined ? {} : { databaseUrl: database }),
    ...(given.domain === undefined ? {} : { domain: given.domain }),
    ...(given.detachMax === undefined ? {} : { detachMaxS: given.detachMax }),
    ...(given.drainMax === undefined ? {} : { drainMaxS: given.drainMax }),
    ...(given.tunnelUrl === undefined ? {} : { tunnelUrl: given.tunnelUrl }),
    ...(given.idleAfter === undefined ? {} : { idleAfterS: given.idleAfter }),
    ...(given.podUrl === undefined ? {} : { podUrl: given.podUrl }),
    ...(given.forgetSecrets ? { forgetSecrets: true } : {}),
    ...(given.githubKeysUrl === undefined ? {} : { githubKeysUrl: given.githubKeysUrl }),
  };
}

const fromEnvironment = (value: string | undefined): string | undefined =>
  value === undefined || value === "" ? undefined : databaseUrl(value);

function driver(given: string) {
  const parsed = parseDriver(given);
  if (parsed) return parsed;
  throw new UsageError(`${JSON.stringify(given)} is not a driver`, `Write ${DRIVER_FORMS}.`);
}

/** HOST:PORT; an IPv6 address stands in brackets. */
function address(given: string): string {
  const port = /^(?:\[[0-9a-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(given)?.[1];
  if (port !== undefined && Number(port) <= 65_535) return given;
  throw new UsageError(
    `${JSON.stringify(given)} is not HOST:PORT`,
    `Such as ${DEFAULT_LISTEN}; port 0 picks a free one.`,
  );
}

function roles(given: string): Role[] {
  const names = given.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !ROLES.some((role) => role === name));
  if (unknown === undefined) return names as Role[];
  throw new UsageError(`${JSON.stringify(unknown)} is no role`, `Roles are ${ROLES.join(", ")}.`);
}

/** Seconds. "0" needs no unit. */
function timeWithin(given: string, { least, most }: { least: number; most: number }): number {
  const seconds = given === "0" ? 0 : parseDuration(given);
  if (seconds !== undefined && seconds >= least && seconds <= most) return seconds;
  throw new UsageError(
    `${JSON.stringify(given)} is not a time from ${least === 0 ? "0" : exactDuration(least)} to ${exactDuration(most)}`,
    "Such as 30s, 5m, 1h30m or 2d.",
  );
}

function httpUrl(given: string): string {
  const { protocol = "", search = "", hash = "", username = "" } = URL.parse(given) ?? {};
  if (/^https?:$/.test(protocol) && search + hash + username === "") return given.replace(/\/+$/, "");
  throw new UsageError(
    `${JSON.stringify(given)} is not an http or https URL`,
    "Such as http://127.0.0.1:4781.",
  );
}

function simulation(given: string): { gpuType: string; count: number; nodes?: number } {
  const simulated = parseSimulated(given);
  if (simulated) return simulated;
  throw new UsageError(
    `${JSON.stringify(given)} is not TYPE:COUNT or TYPE:COUNTxNODES`,
    `Such as ${SIMULATED_FORMS}.`,
  );
}

function databaseUrl(given: string): string {
  if (/^postgres(ql)?:$/.test(URL.parse(given)?.protocol ?? "")) return given;
  // The text may hold a password: it is not repeated.
  throw new UsageError(
    "the value is not a postgres:// URL",
    "Such as postgres://gpudev@db.example.com/gpudev.",
  );
}

/** Arguments are there for everybody on the machine to read. */
function databaseFlag(given: string): string {
  if (URL.parse(databaseUrl(given))?.password === "") return given;
  throw new UsageError(
    "the URL has a password, which everybody on this machine could read",
    "Set GPU_DEV_DATABASE instead, or database_file in the configuration.",
  );
}

function domainName(given: string): string {
  if (
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(given) &&
    given.length <= 200
  )
    return given;
  throw new UsageError(
    `${JSON.stringify(given)} is not a domain name`,
    "Such as gpu-dev.internal, in lower case.",
  );
}
