/** `gpu-dev server`: puts the parts together in this order, and takes them apart in the opposite one. */
import { homedir, userInfo } from "node:os";
import { resolve } from "node:path";
import type { Logger } from "pino";
import { exactDuration } from "../api/duration.ts";
import { ROLES } from "../api/roles.ts";
import { VERSION } from "../api/version.ts";
import { Reloads } from "../core/audit/reload.ts";
import { ensureFirstAdmin } from "../core/people/first-admin.ts";
import { announceApi } from "../core/people/pod-token.ts";
import { replaceOtherTokens } from "../core/presence.ts";
import { createReconciler } from "../core/reconcile.ts";
import type { Trace } from "../core/trace.ts";
import type { Gateway } from "../tunnel/gateway.ts";
import {
  DEFAULT_DRAIN_MAX_S,
  defaultDataDir,
  parseListen,
  type ServerOptions,
  StartError,
} from "./config/config.ts";
import { LiveSettings } from "./config/live.ts";
import { openConfig, type ServerFlags } from "./config/open.ts";
import { inTurn, reloadConfig } from "./config/reload.ts";
import { announce, withdraw } from "./local-server.ts";
import { createLogger, exitWithoutReader, logToStderr } from "./log.ts";
import { type Closing, type OpenCore, openCore } from "./open-core.ts";
import { openHttp } from "./open-http.ts";
import { Shutdown } from "./shutdown.ts";
import { watchSignals } from "./signals.ts";

export type { ServerOptions } from "./config/config.ts";
export type { ServerFlags } from "./config/open.ts";

export interface RunningServer {
  readonly url: string;
  /** Of the administrator that the first start made; another one after each start, and empty without the API. */
  readonly token: string;
  /** Roles (unless it has all), driver, isolation and database in words. */
  readonly parts: string;
  /** Takes no more requests, ends tunnels, waits for steps in hand; all within 10 s. Pods live on. */
  close(): Promise<void>;
  /**
   * The same, but tunnels live on for up to `graceMs`: a successor can start at once on the same port and data. `onWait` is
   * told when all but the tunnels has ended; what it gets ends them, too.
   */
  drain(graceMs: number, onWait: (sessions: number, endNow: () => void) => void): Promise<void>;
  /** Reads the configuration file and the certificate again. */
  reload(): Promise<void>;
}

/** Starts all parts. Throws, with everything closed again, when one cannot start; StartError has words for the user. */
export async function startServer(given: ServerOptions): Promise<RunningServer> {
  const options = { ...given, live: given.live ?? new LiveSettings() };
  parseListen(options.listen, options);
  const logger = createLogger(options.logLevel, options.logTo ?? logToStderr());
  const closing = { front: new Shutdown(), back: new Shutdown() };
  try {
    const dataDir = resolve(options.dataDir ?? defaultDataDir(process.env, homedir()));
    const trace = await openTraces(options, logger, closing);
    const open = await openCore({ ...options, dataDir }, logger, closing, trace);
    const { url, gateway, certificate } = await openHttp(open, options, logger, closing);
    if (open.roles.has("worker")) startReconciler(open, closing);
    const token = open.roles.has("api") ? await welcome(open, url, options, closing) : "";
    const parts = partsOf(open);
    logger.info({ url, parts, name: open.name }, "ready");
    const reloads = new Reloads(open.core);
    closing.back.add("reloads", 200, () => reloads.close());
    const reload = inTurn(async () => {
      await reloadConfig(options, logger, {
        count: (outcome) => open.core.signals.emit("reloaded", outcome),
        record: (file = "", change) => reloads.note(file, { server: open.name, ...change }),
      });
      await certificate?.look();
    });
    return { url, token, parts, reload, ...ending(closing, gateway, logger) };
  } catch (error) {
    await closeAll(closing, logger);
    throw error;
  }
}

/** How pieces of work are traced; undefined when nobody wants to know. */
async function openTraces(
  { traces }: ServerOptions,
  logger: Logger,
  { back }: Closing,
): Promise<Trace | undefined> {
  if (traces === undefined) return undefined;
  const { openTracing } = await import("./tracing.ts");
  const tracing = openTracing({ url: traces, version: VERSION }, logger);
  back.add("traces", 1000, () => tracing.close());
  return tracing.trace;
}

function startReconciler({ core }: OpenCore, { front }: Closing): void {
  const reconciler = createReconciler(core);
  front.add("reconciler", 3500, () => reconciler.stop());
  reconciler.start();
}

/** A token for the user who started the server, left where their command line finds it. */
async function welcome(
  { core, name, alone }: OpenCore,
  url: string,
  { home, tunnelUrl, podUrl = url }: ServerOptions,
  { front }: Closing,
): Promise<string> {
  if (alone) await replaceOtherTokens(core, name);
  await core.store.write((tx) => announceApi(tx, podUrl));
  const { token } = await ensureFirstAdmin(core, userName(), name);
  const local = {
    url,
    token,
    pid: process.pid,
    ...(tunnelUrl === undefined ? {} : { tunnel_url: tunnelUrl }),
  };
  await announce(home, local);
  front.add("server.json", 300, () => withdraw(home, local));
  return token;
}

function partsOf({ core, roles }: OpenCore): string {
  const some = ROLES.filter((role) => roles.has(role));
  const which = some.length < ROLES.length ? [some.join(" and ")] : [];
  const driver = roles.has("api") || roles.has("worker") ? [core.driver.isolation] : [];
  return [...which, `${core.driver.name} driver`, ...driver, core.store.engine].join(", ");
}

async function closeAll({ front, back }: Closing, logger: Logger): Promise<void> {
  await front.run(logger);
  await back.run(logger);
}

function ending(
  closing: Closing,
  gateway: Gateway | undefined,
  logger: Logger,
): Pick<RunningServer, "close" | "drain"> {
  const drain: RunningServer["drain"] = async (graceMs, onWait) => {
    // First, so that nothing new comes while the rest ends.
    const emptied = gateway?.close(graceMs);
    await closing.front.run(logger);
    const sessions = gateway?.count() ?? 0;
    if (graceMs > 0 && sessions > 0) {
      onWait(sessions, () => void gateway?.close(0));
      await emptied;
    }
    await closing.back.run(logger);
  };
  return { drain, close: () => drain(0, () => undefined) };
}

/** Name of the first administrator: who started the server. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "admin"; // A user id without an account, as in many containers.
  }
}

export interface ServerIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Runs until SIGINT, SIGTERM or the end of its terminal; the exit code. Prints one line with the URL when ready. While sessions
 * keep it, a later signal ends them; any other later signal ends the process at once. SIGHUP reads the configuration again.
 */
export async function runServer(flags: ServerFlags, io: ServerIo): Promise<number> {
  const signals = watchSignals();
  const code = await run(flags, io, async (server, { drainMaxS = DEFAULT_DRAIN_MAX_S }) => {
    signals.onReload = () => void server.reload();
    await signals.first;
    await server.drain(drainMaxS * 1000, (sessions, endNow) => {
      signals.onLater = endNow;
      io.stderr.write(`gpu-dev server: ${waiting(sessions, drainMaxS)}\n`);
    });
  });
  signals.release();
  exitWithoutReader(code);
  return code;
}

const waiting = (sessions: number, drainMaxS: number): string =>
  `${sessions === 1 ? "1 ssh session is" : `${sessions} ssh sessions are`} open; all else has ended, and this process goes ` +
  `when they do, at the latest in ${exactDuration(drainMaxS)}; another signal ends them now`;

async function run(
  flags: ServerFlags,
  io: ServerIo,
  serve: (server: RunningServer, options: ServerOptions) => Promise<void>,
): Promise<number> {
  try {
    const options = await openConfig(flags);
    const server = await startServer(options);
    const { url, parts } = server;
    const line = flags.json
      ? JSON.stringify({ url, parts, pid: process.pid })
      : `gpu-dev server ready at ${url} (${parts})`;
    io.stdout.write(`${line}\n`);
    await serve(server, options);
    return 0;
  } catch (error) {
    const why = whyNot(error);
    if (flags.json) io.stdout.write(`${JSON.stringify(startFailed(why))}\n`);
    else io.stderr.write(`gpu-dev server: ${why}\n`);
    return 1;
  }
}

/** The document of every failure of the command line has these members. */
const startFailed = (detail: string) => ({
  type: "urn:gpu-dev:error:start_failed",
  code: "start_failed",
  detail,
  retryable: false,
});

/** One line, whatever it was. */
function whyNot(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : { message: String(error), cause: undefined };
  const more = cause instanceof Error && !(error instanceof StartError) && !message.includes(cause.message);
  const because = more ? ` (${cause.message})` : "";
  return `${message}${because}`.replaceAll(/\s+/g, " ");
}
