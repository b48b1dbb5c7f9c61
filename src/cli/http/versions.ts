/** Command line and server tell each other their versions; which of the two is older is told at most once a day. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fetch } from "../../api/client.ts";
import { EXIT } from "../../api/errors.ts";
import { homeOf } from "../../api/home.ts";
import { VERSION } from "../../api/version.ts";
import { compareVersions, isVersion } from "../../api/versions.ts";
import type { Outside, ServerSeen } from "../context.ts";
import { CliError, isUnforeseen } from "../errors.ts";

const DAY_MS = 24 * 3600 * 1000;

/** `fetch` that looks at the version of who answers, and keeps it in `seen`. Costs nothing while both are of one release; silent in CI. */
export function withVersionNotice(fetch: Fetch, outside: Outside, seen: ServerSeen): Fetch {
  return async (url, init) => {
    const reply = await fetch(url, init);
    const server = reply.headers.get("gpu-dev-server");
    if (server !== null) Object.assign(seen, { version: server, at: new URL(url).origin });
    if (server !== null && releaseOf(server) !== releaseOf(VERSION) && !outside.env.CI)
      tellOnceADay(outside, server, new URL(url).origin);
    return reply;
  };
}

/** What differs only behind it is mended, not changed. */
const releaseOf = (version: string): string => version.split(".").slice(0, 2).join(".");

function tellOnceADay({ env, homedir, clock, io }: Outside, server: string, at: string): void {
  if (!isVersion(server)) return;
  const { stateDir } = homeOf(env, homedir);
  const file = join(stateDir, "version_told.json");
  const told = readTold(file);
  const now = clock.now().getTime();
  if (told.server === server && told.at === at && now - told.ms < DAY_MS) return;
  io.stderr.write(`${at} runs gpu-dev ${server}, and this is ${VERSION}: ${adviceTo(server)}.\n`);
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    writeFileSync(file, JSON.stringify({ server, at, ms: now }), { mode: 0o600 });
  } catch (error) {
    // Then it is told again.
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

const adviceTo = (server: string): string =>
  compareVersions(server, VERSION) > 0 ? "upgrade gpu-dev here" : "ask its administrator to upgrade it";

/** An error that nobody foresaw, after an answer of a server of another version, is about that; any other is passed on as it is. */
export function blameVersions(error: unknown, { version, at }: ServerSeen): unknown {
  if (version === undefined || version === VERSION || !isVersion(version) || !isUnforeseen(error))
    return error;
  const what = `This gpu-dev, ${VERSION}, cannot read an answer of ${at}, which runs gpu-dev ${version}`;
  return new CliError("version_mismatch", EXIT.error, what, { hint: adviceTo(version), cause: error });
}

function readTold(file: string): { server?: string; at?: string; ms: number } {
  try {
    const { server, at, ms } = JSON.parse(readFileSync(file, "utf8"));
    return { server, at, ms: Number(ms) };
  } catch {
    // Missing or damaged: it was not told.
    return { ms: 0 };
  }
}
