/** `gpu-dev server`: puts the parts together in this order, and takes them apart in the opposite one. */
import { randomBytes } from "node:crypto";
import { realpath } from "node:fs/promises";
import { homedir, hostname, userInfo } from "node:os";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import { VERSION } from "../api/version.ts";
import { ensureFirstAdmin } from "../core/access.ts";
import { type Core, createCore } from "../core/core.ts";
import { deploymentId, localDriverPlace } from "../core/deployment.ts";
import { syncCapacity } from "../core/inventory.ts";
import { createSshProbe } from "../core/probe.ts";
import { createReconciler } from "../core/reconcile.ts";
import { createLocalDriver } from "../drivers/local.ts";
import { openStore, type Store } from "../store/db.ts";
import { holdExclusively } from "../store/exclusive.ts";
import { createApp } from "./app.ts";
import { DEFAULT_DOMAIN, defaultDataDir, parseListen, type ServerOptions, StartError } from "./config.ts";
import { prepareDataDir } from "./data-dir.ts";
import { listen, type Upgrade } from "./listen.ts";
import { announce, withdraw } from "./local-server.ts";
import { createLogger, exitWithoutReader, logToStderr } from "./log.ts";
import { createReadiness } from "./readiness.ts";
import { Shutdown } from "./shutdown.ts";
import { createTunnels, isTunnel } from "./tunnels.ts";

export type { ServerOptions } from "./config.ts";

export interface RunningServer {
  readonly url: string;
  /** Of the administrator that the first start made; another one after each start. */
  readonly token: string;
  /** Driver, isolation and database in words. */
  readonly parts: string;
  /** Takes no more requests, ends tunnels, waits for steps in hand; all within 10 s. Pods live on. */
  close(): Promise<void>;
}

/** Starts all parts. Throws, with everything closed again, when one cannot start; StartError has words for the user. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const address = parseListen(options.listen);
  const logger = createLogger(options.logLevel, options.logTo ?? logToStderr());
  const shutdown = new Shutdown();
  try {
    const { core, id } = await openCore(options, logger, shutdown);
    const token = (await ensureFirstAdmin(core, userName())).token;
    const { url, drain } = await openHttp(core, { ...address, deploymentId: id }, logger, shutdown);
    const reconciler = createReconciler(core);
    shutdown.add("reconciler", 5300, () => reconciler.stop());
    reconciler.start();
    shutdown.add("drain", 700, drain);
    const local = { url, token, pid: process.pid };
    await announce(options.home, local);
    shutdown.add("server.json", 300, () => withdraw(options.home, local));
    const parts = `${core.driver.name} driver, ${core.driver.isolation}, ${core.store.engine}`;
    logger.info({ url, parts }, "ready");
    return { url, token, parts, close: () => shutdown.run(logger) };
  } catch (error) {
    await shutdown.run(logger);
    throw error;
  }
}

/** The database, the driver and the rules around them. */
async function openCore(
  options: ServerOptions,
  logger: Logger,
  shutdown: Shutdown,
): Promise<{ core: Core; id: string }> {
  const dataDir = resolve(options.dataDir ?? defaultDataDir(process.env, homedir()));
  await prepareDataDir(dataDir);
  const guard = holdExclusively(join(dataDir, "server.lock"), `the data directory ${dataDir}`);
  shutdown.add("data directory", 100, () => guard.close());
  const store = await openDatabase(options, dataDir);
  shutdown.add("database", 800, () => store.close());
  if (options.databaseUrl !== undefined) await checkPlace(store, `${hostname()}:${await realpath(dataDir)}`);
  const id = await deploymentId(store);
  const driver = await createLocalDriver({
    dataDir,
    deploymentId: id,
    isolation: options.isolation,
    simulate: options.simulate,
    // The administrator's token and the users' keys are in these.
    mask: [options.home.stateDir, options.home.configDir],
    log: (fields, message) => logger.info(fields, message),
  });
  shutdown.add("driver", 800, () => driver.close());
  const core = createCore({
    store,
    driver,
    probe: await createSshProbe(join(dataDir, "probes")),
    settings: { domain: options.domain ?? DEFAULT_DOMAIN },
    log: (level, fields, message) => logger[level](fields, message),
  });
  await syncCapacity(core);
  return { core, id };
}

/** Words of our own for a socket's error: it names an address, not what it is for. */
async function openDatabase({ databaseUrl, clock }: ServerOptions, dataDir: string): Promise<Store> {
  const url = databaseUrl ?? `sqlite:${join(dataDir, "gpu-dev.db")}`;
  try {
    return await openStore({ url, ...(clock ? { clock } : {}) });
  } catch (cause) {
    const { syscall, message } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new StartError(`the database cannot be reached: ${message}; see --database`, { cause });
  }
}

/** Two servers would otherwise take each other's pods for lost ones. */
async function checkPlace(store: Store, here: string): Promise<void> {
  const place = await localDriverPlace(store, here);
  if (place !== here)
    throw new StartError(
      `this database belongs to the pods at ${place}, not to those at ${here}: give each machine and data directory a database of its own`,
    );
}

/** The API and the tunnels. `drain` refuses what is new and ends the tunnels; what is in hand may go on. */
async function openHttp(
  core: Core,
  given: { host: string; port: number; deploymentId: string },
  logger: Logger,
  shutdown: Shutdown,
): Promise<{ url: string; drain: () => Promise<void> }> {
  let draining = false;
  const tunnels = createTunnels(core, randomBytes(4).toString("hex"), logger);
  const ready = createReadiness({
    checks: { database: () => core.store.now(), driver: () => core.driver.capacity() },
    timeoutMs: 3000,
    maxAgeMs: 1000,
    now: () => performance.now(),
    onChange: (part, err) => logger[err ? "error" : "info"]({ part, err }, err ? "not ready" : "ready again"),
  });
  const { host, port, deploymentId } = given;
  const app = createApp({ core, logger, deploymentId, version: VERSION, draining: () => draining, ready });
  const upgrade: Upgrade = (request, socket, head) => tunnels.handleUpgrade(request, socket, head);
  const http = await listen({ host, port, app, isTunnel, upgrade });
  shutdown.add("connections", 1300, () => http.close());
  const drain = async () => {
    draining = true;
    http.stop();
    await tunnels.close(0);
  };
  return { url: http.url, drain };
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

/** Runs until SIGINT, SIGTERM or SIGHUP; the exit code. Prints one line with the URL when ready. A later signal ends it at once. */
export async function runServer(options: ServerOptions, io: ServerIo): Promise<number> {
  const signals = watchSignals();
  const code = await run(options, io, signals.first);
  signals.release();
  exitWithoutReader(code);
  return code;
}

async function run(options: ServerOptions, io: ServerIo, stop: Promise<void>): Promise<number> {
  try {
    const server = await startServer(options);
    const { url, parts } = server;
    const line = options.json
      ? JSON.stringify({ url, parts, pid: process.pid })
      : `gpu-dev server ready at ${url} (${parts})`;
    io.stdout.write(`${line}\n`);
    await stop;
    await server.close();
    return 0;
  } catch (error) {
    const why = whyNot(error);
    if (options.json)
      io.stdout.write(`${JSON.stringify({ code: "start_failed", detail: why, retryable: false })}\n`);
    else io.stderr.write(`gpu-dev server: ${why}\n`);
    return 1;
  }
}

/** A terminal that was closed is an end like any other: the pods live on, and the next start finds them. */
const ENDS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** One Ctrl-C comes twice, from the terminal and again from npx; only a later one means "now". */
const SAME_MS = 1000;

function watchSignals(): { first: Promise<void>; release: () => void } {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  let since: number | undefined;
  const onSignal = () => {
    since ??= performance.now();
    if (performance.now() - since > SAME_MS) process.exit(1);
    resolve();
  };
  for (const signal of ENDS) process.on(signal, onSignal);
  return {
    first,
    release: () => {
      for (const signal of ENDS) process.off(signal, onSignal);
    },
  };
}

/** One line, whatever it was. */
function whyNot(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : { message: String(error), cause: undefined };
  const because = cause instanceof Error && !(error instanceof StartError) ? ` (${cause.message})` : "";
  return `${message}${because}`.replaceAll(/\s+/g, " ");
}
