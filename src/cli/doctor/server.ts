/** The server as this user reaches it: is it there, does it know the token and the key, what time is it there. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { VERSION } from "../../api/version.ts";
import { compareVersions } from "../../api/versions.ts";
import type { Context } from "../context.ts";
import { allPages } from "../http/all-pages.ts";
import { closedWords } from "../output/availability.ts";
import { isOpenToOthers } from "../platforms.ts";
import { allKeys } from "../ssh/keys.ts";
import { type Finding, failure, ok, skipped, warning } from "./finding.ts";

/** The header has whole seconds. */
const SKEW_S = 5;

/** Reachable, how quick, and which version; it may still say that it is not ready. */
export async function checkServer(ctx: Context): Promise<Finding> {
  const { url, origin } = ctx.endpoint();
  const start = performance.now();
  const health = await ctx.api().getHealth({});
  const ms = Math.round(performance.now() - start);
  const where = `${url} (set by ${origin})`;
  if (health.status === "ok") return ok("server", `${where} answers in ${ms} ms`);
  return warning("server", `${where} says: ${health.status}`, "`gpu-dev status` tells more.");
}

/** The server decides by its own clock; what a user reads here is then wrong, and certificates may look expired. */
export async function checkClock(ctx: Context): Promise<Finding> {
  const { url } = ctx.endpoint();
  const reply = await ctx.fetch(`${url}/healthz`, { method: "GET", headers: {} });
  const there = Date.parse(reply.headers.get("date") ?? "");
  if (Number.isNaN(there)) return skipped("clock", "the server's answer has no date");
  const skewS = Math.round((ctx.clock.now().getTime() - there) / 1000);
  if (Math.abs(skewS) <= SKEW_S) return ok("clock", `within ${SKEW_S} s of the server's`);
  const words = `${Math.abs(skewS)} s ${skewS > 0 ? "ahead of" : "behind"} the server's`;
  return warning("clock", `this machine's is ${words}`, "Let the machine set its clock by NTP.");
}

/** Who the token belongs to, and whether both sides understand each other. */
export async function checkToken(ctx: Context): Promise<Finding> {
  const { name, role } = await ctx.api().getMe({});
  return ok("token", `of ${name}, role ${role}`);
}

export async function checkVersion(ctx: Context): Promise<Finding> {
  const { version, min_cli } = await ctx.api().getDeployment({});
  const detail = `server ${version}, this ${VERSION}`;
  if (compareVersions(VERSION, min_cli) >= 0) return ok("version", detail);
  return failure("version", `${detail}; the server wants ${min_cli} or newer`, "Upgrade gpu-dev here.");
}

/** What gives no GPUs, and why: hosts that do not answer, or whose processors are not those that pods' sshd is for. */
export async function checkNodes(ctx: Context): Promise<Finding> {
  const { items } = await allPages((query) => ctx.api().listAvailability({ query }));
  const closed = closedWords(items, ctx.clock.now());
  if (closed.length === 0) return ok("nodes", "all of them give what they have");
  return warning("nodes", closed.join("; "), "It is for who runs the server: `gpu-dev admin nodes` has all.");
}

/** The key pair for reservations, as ssh wants it, and known to the server. */
export async function checkKey(ctx: Context): Promise<Finding> {
  const file = join(ctx.home.stateDir, "id_ed25519");
  const [mode, line] = await Promise.all([modeOf(file), readFile(`${file}.pub`, "utf8").catch(absent)]);
  if (mode === undefined || line === undefined)
    return warning("key", `there is no ${file} yet`, "The first `gpu-dev reserve` makes and registers it.");
  if (isOpenToOthers(mode, process.platform))
    return failure("key", `${file} can be read by others: ssh will not use it`, `chmod 600 ${file}`);
  const fingerprint = fingerprintOf(line);
  if (await isRegistered(ctx, fingerprint)) return ok("key", `${fingerprint} is registered`);
  return warning("key", `${fingerprint} is not registered`, "The next `gpu-dev reserve` registers it.");
}

/** As `ssh-keygen -l` prints it. */
function fingerprintOf(line: string): string {
  const blob = Buffer.from(line.split(" ")[1] ?? "", "base64");
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

const isRegistered = async (ctx: Context, fingerprint: string): Promise<boolean> =>
  (await allKeys(ctx)).some((key) => key.fingerprint === fingerprint);

const modeOf = async (file: string): Promise<number | undefined> => (await stat(file).catch(absent))?.mode;

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
