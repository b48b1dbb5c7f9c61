/** A PostgreSQL server of its own, for a test run or a benchmark. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

/** On a free port, without fsync; `url` is a superuser's, without a database name at the end. */
export async function startPostgres(): Promise<{ url: string; stop: () => void }> {
  const bin = findPostgres();
  const dir = mkdtempSync(join(tmpdir(), "gpu-dev-postgres-"));
  const port = await freePort();
  handOver(dir);
  const data = join(dir, "data");
  run(bin, "initdb", ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
  const options = [
    `-p ${port} -k ${dir} -c listen_addresses=127.0.0.1 -c max_connections=200`,
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off",
  ].join(" ");
  run(bin, "pg_ctl", ["-D", data, "-l", join(dir, "log"), "-w", "-o", options, "start"]);
  return {
    url: `postgres://postgres@127.0.0.1:${port}`,
    stop: () => {
      run(bin, "pg_ctl", ["-D", data, "-m", "immediate", "-w", "stop"]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const DEBIAN = "/usr/lib/postgresql";

/** The directory of initdb: Debian's newest, or what is on the path. */
function findPostgres(): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  const places = [
    ...(newest ? [join(DEBIAN, newest, "bin")] : []),
    ...(process.env.PATH ?? "").split(":").filter(Boolean),
  ];
  const found = places.find((place) => existsSync(join(place, "initdb")));
  if (!found)
    throw new Error("the tests need a PostgreSQL server on this machine: apt-get install -y postgresql");
  return found;
}

const isRoot = process.getuid?.() === 0;

/** PostgreSQL refuses to run as root: it gets its own account, and the directory with it. */
function handOver(dir: string): void {
  chmodSync(dir, 0o700);
  if (!isRoot) return;
  const account = statSync("/var/lib/postgresql");
  chownSync(dir, account.uid, account.gid);
}

function run(bin: string, tool: string, args: readonly string[]): void {
  const command = [join(bin, tool), ...args];
  const [file = "", ...rest] = isRoot ? ["runuser", "-u", "postgres", "--", ...command] : command;
  try {
    // Its output must not stay open in the server that it starts.
    execFileSync(file, rest, { stdio: ["ignore", "ignore", "ignore"], cwd: "/", timeout: 60_000 });
  } catch (cause) {
    throw new Error(`${tool} failed; the tests need a PostgreSQL server (apt-get install -y postgresql)`, {
      cause,
    });
  }
}
