/** `gpu-dev server`: the whole server in one process. */
import { defineCommand, type Values } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { choice, parsed, repeated, text } from "../options.ts";

const DEFAULT_LISTEN = "127.0.0.1:4780";

const options = {
  dataDir: text(
    "--data-dir <DIR>",
    "Where its data are kept (default: ~/.local/share/gpu-dev)",
    "directories",
  ),
  listen: parsed(
    "--listen <HOST:PORT>",
    `Address; port 0 picks a free one (default: ${DEFAULT_LISTEN})`,
    address,
  ),
  simulate: repeated(
    "--simulate <TYPE:COUNT>",
    "Add GPUs that do not exist, marked so everywhere; repeatable",
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
  isolation: choice("--isolation <HOW>", "How reservations are kept apart (default: auto)", [
    "auto",
    "namespaces",
    "processes",
  ]),
  database: parsed(
    "--database <URL>",
    "PostgreSQL, as postgres://… (GPU_DEV_DATABASE, where others cannot see a password; default: SQLite)",
    databaseUrl,
  ),
  domain: parsed(
    "--domain <NAME>",
    "Domain of the reservations' ssh hosts; never looked up (default: gpu-dev.internal)",
    domainName,
  ),
};

export const command = defineCommand({
  options,
  details:
    "Prints one line with its URL when it is ready (with --json one document), and logs to stderr. The command line of the same user finds it by itself.",
  examples: [
    { line: "gpu-dev server", meaning: "This machine's GPUs, or its CPUs when it has none" },
    {
      line: "gpu-dev server --simulate h100:8 --listen 127.0.0.1:0",
      meaning: "Eight GPUs that do not exist, for trying things out",
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
  return {
    listen: given.listen ?? DEFAULT_LISTEN,
    simulate: [...(given.simulate ?? [])],
    logLevel: given.logLevel ?? "info",
    isolation: given.isolation ?? "auto",
    ...(given.dataDir === undefined ? {} : { dataDir: given.dataDir }),
    ...(database === undefined ? {} : { databaseUrl: database }),
    ...(given.domain === undefined ? {} : { domain: given.domain }),
  };
}

const fromEnvironment = (value: string | undefined): string | undefined =>
  value === undefined || value === "" ? undefined : databaseUrl(value);

/** HOST:PORT; an IPv6 address stands in brackets. */
function address(given: string): string {
  const port = /^(?:\[[0-9a-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(given)?.[1];
  if (port !== undefined && Number(port) <= 65_535) return given;
  throw new UsageError(
    `${JSON.stringify(given)} is not HOST:PORT`,
    `Such as ${DEFAULT_LISTEN}; port 0 picks a free one.`,
  );
}

function simulation(given: string): { gpuType: string; count: number } {
  const [, gpuType, digits] = /^([a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?):(\d{1,5})$/.exec(given) ?? [];
  const count = Number(digits);
  if (gpuType !== undefined && count > 0) return { gpuType, count };
  throw new UsageError(
    `${JSON.stringify(given)} is not TYPE:COUNT`,
    "Such as h100:8; the type in lower case, the count from 1.",
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
