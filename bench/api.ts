/**
 * The API under load, on SQLite and on PostgreSQL, with a server and a load generator (autocannon) that share this machine's cores:
 * requests per second and latencies of get, list and create over a table of reservations; connections that all come at once; p99
 * over median at half of the peak; memory. Usage: node bench/api.ts [--rows 100000] [--seconds 5] [--memory 60]
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { burst, paced } from "../test/helpers/load.ts";
import { startPostgres } from "../test/helpers/postgres-server.ts";
import { type ServerProcess, startServerProcess } from "../test/helpers/server-process.ts";
import { INSPECTED } from "./heap.ts";
import { quantile } from "./median.ts";
import { remember } from "./memory.ts";
import { fillReservations } from "./reservations.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "100000" },
    seconds: { type: "string", default: "5" },
    memory: { type: "string", default: "60" },
  },
});
const [rows, seconds, memoryS] = [Number(values.rows), Number(values.seconds), Number(values.memory)];
const CONNECTIONS = 50;
const CREATED = 500;
const NEWCOMERS = 500;
const ROUNDS = 5;

interface Report {
  readonly requests: { readonly average: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly non2xx: number;
}

const autocannon = fileURLToPath(import.meta.resolve("autocannon"));

/** As many requests as there can be; the mean of them in a second. */
async function peak(
  what: string,
  { url, token }: ServerProcess,
  path: string,
  args: readonly string[],
): Promise<number> {
  const headers = [`authorization=Bearer ${token}`, "content-type=application/json"].flatMap((h) => [
    "-H",
    h,
  ]);
  const all = [autocannon, "-j", "-c", String(CONNECTIONS), ...headers, ...args, url + path];
  const { stdout } = await promisify(execFile)(process.execPath, all, { maxBuffer: 2 ** 24 });
  const { requests, latency, errors, non2xx } = JSON.parse(stdout) as Report;
  const faults = errors + non2xx === 0 ? "" : `, ${errors + non2xx} FAILED`;
  const rate = requests.average.toFixed(0).padStart(6);
  console.log(`  ${what.padEnd(24)}${rate} a second, p50 ${latency.p50} ms, p99 ${latency.p99} ms${faults}`);
  if (faults !== "") process.exitCode = 1;
  return requests.average;
}

async function measure(engine: string, databaseUrl?: string): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "gd-"));
  writeFileSync(join(home, "server.yaml"), "limits: {requests_per_token: 0}\n");
  const database = databaseUrl === undefined ? [] : ["--database", databaseUrl];
  const server = await startServerProcess({
    home,
    args: ["--simulate", "h100:1", ...database],
    env: INSPECTED,
  });
  try {
    const me = await server.api.getMe({});
    const id = await fillReservations(
      databaseUrl ?? `sqlite:${join(home, "data", "gpu-dev.db")}`,
      me.id,
      rows,
    );
    console.log(`${engine}, ${rows} reservations`);
    await load(server, id);
  } finally {
    await server.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function load(server: ServerProcess, id: string): Promise<void> {
  const one = `/v1/reservations/${id}`;
  const during = ["-d", String(seconds)];
  const most = await peak("get", server, one, during);
  await peak("list, 100 of all", server, "/v1/reservations?state=all", during);
  await peak("list, 20 live", server, "/v1/reservations?limit=20", during);
  const get = { url: server.url + one, headers: { authorization: `Bearer ${server.token}` } };
  await calm(get, most / 2);
  const served = await burst(get, NEWCOMERS);
  console.log(`  connections at once      ${served} of ${NEWCOMERS} served`);
  if (served < NEWCOMERS) process.exitCode = 1;
  await server.api.createKey({ body: { public_key: KEY } });
  await remember(server, get, most / 2, memoryS);
  const body = JSON.stringify({ gpu_type: "h100", duration_s: 3600 });
  await peak(`create, ${CREATED} queued`, server, "/v1/reservations", [
    "-a",
    String(CREATED),
    "-m",
    "POST",
    "-b",
    body,
  ]);
}

/** In rounds, of which the median counts: a pause that comes once, as of the compiler, is most of the slowest hundredth of one. */
async function calm(get: Parameters<typeof paced>[0], rate: number): Promise<void> {
  const rounds: { p50: number; p99: number; ratio: number }[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const took = await paced(get, rate, seconds);
    const [p50, p99] = [quantile(took, 0.5), quantile(took, 0.99)];
    rounds.push({ p50, p99, ratio: p99 / p50 });
  }
  const of = (key: "p50" | "p99" | "ratio") =>
    quantile(
      rounds.map((round) => round[key]),
      0.5,
    ).toFixed(1);
  const each = rounds.map(({ ratio }) => ratio.toFixed(1)).join(" ");
  console.log(
    `  get at half of the peak  p50 ${of("p50")} ms, p99 ${of("p99")} ms; ratio ${of("ratio")} (aim: 5), of ${each}`,
  );
}

/** Of nobody. */
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bench";

await measure("SQLite");
const postgres = await startPostgres();
try {
  await measure("PostgreSQL", `${postgres.url}/postgres`);
} finally {
  postgres.stop();
}
