/** Opens what the rules stand on: the data directory, the database, the driver. */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, realpath, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { ROLES, type Role } from "../api/roles.ts";
import { type Core, createCore, type ImageSettings } from "../core/core.ts";
import { deploymentId, forgetLeases, localDriverPlace } from "../core/deployment.ts";
import { syncCapacity } from "../core/gpus/inventory.ts";
import { createSealer } from "../core/images/seal.ts";
import { createSshProbe, type Probe } from "../core/pods/probe.ts";
import { knownServers } from "../core/presence.ts";
import type { Trace } from "../core/trace.ts";
import { createBuildContexts } from "../drivers/build-contexts.ts";
import type { DiskEngine, DiskHosts } from "../drivers/disks.ts";
import type { Driver } from "../drivers/driver.ts";
import { createLocalDisks } from "../drivers/local-disks.ts";
import { openStore, type Store } from "../store/db.ts";
import { type Hold, holdAlone, holdTogether } from "../store/exclusive.ts";
import {
  DEFAULT_DOMAIN,
  DEFAULT_GITHUB,
  DEFAULT_TAKE_OVER_MS,
  type ServerOptions,
  StartError,
} from "./config/config.ts";
import type { LiveSettings } from "./config/live.ts";
import { prepareDataDir } from "./data-dir.ts";
import { createGithubKeys, MAX_KEYS_BYTES } from "./github-keys.ts";
import { openLogins } from "./logins/open.ts";
import { isDocker, openDriver } from "./open-driver.ts";
import { openService } from "./outside/open.ts";
import type { Service, ServiceOptions } from "./outside/service.ts";
import { openSealKey } from "./seal-key.ts";
import type { Shutdown } from "./shutdown.ts";
import { createWebhookSender } from "./webhook-sender.ts";

/** What a stop closes first, and what lives on while there are sessions. */
export interface Closing {
  readonly front: Shutdown;
  readonly back: Shutdown;
}

export interface OpenCore {
  readonly core: Core;
  readonly deploymentId: string;
  /** Of this process: random, the prefix of its sessions. */
  readonly name: string;
  readonly dataDir: string;
  readonly roles: ReadonlySet<Role>;
  /** True when no other process has a token of its own in this database. */
  readonly alone: boolean;
}

const noProbe: Probe = () => Promise.reject(new Error("only a worker proves logins"));

type OpenOptions = ServerOptions & { readonly dataDir: string; readonly live: LiveSettings };

/** On SQLite one process at a time may have each of these; on PostgreSQL leases let many share the work. */
const LOCKS: Partial<Record<Role, string>> = { worker: "server.lock", api: "api.lock" };
const LOCK_POLL_MS = 50;
const DEFAULT_CONTEXT_MAX = 512 * 2 ** 20;
const DEFAULT_KEEP_S = 14 * 86_400;

/** The database, the driver and the rules around them, as far as the roles of this process need them. */
export async function openCore(
  options: OpenOptions,
  logger: Logger,
  closing: Closing,
  trace?: Trace,
): Promise<OpenCore> {
  const roles = new Set(options.roles ?? ROLES);
  const { dataDir } = options;
  await prepareDataDir(dataDir);
  const embedded = options.databaseUrl === undefined;
  if (embedded) await takeAlone(options, dataDir, roles, closing);
  const store = await openDatabase(options, dataDir, logger);
  closing.back.add("database", 800, () => store.close());
  if (!embedded && !isDocker(options)) await checkPlace(store, `${hostname()}:${await realpath(dataDir)}`);
  const id = await deploymentId(store);
  if (!embedded) await takeTogether(options, dataDir, id, closing);
  const name = randomBytes(4).toString("hex");
  const driver = await openDriver(options, { dataDir, deploymentId: id, roles, logger });
  closing.back.add("driver", 800, () => driver.close());
  const worksOnDisks = roles.has("api") || roles.has("worker");
  const scratch = join(dataDir, "probes", name);
  closing.front.add("probe", 200, () => rm(scratch, { recursive: true, force: true }));
  const open = (service: ServiceOptions) => openService(service, logger);
  const keys = openGithubKeys(options, open);
  const { logins, services } = await openLogins(options, open);
  const core = createCore({
    store,
    driver,
    disks: worksOnDisks ? await openDisks(dataDir, driver, logger) : undefined,
    probe: roles.has("worker") ? await openProbe(store, scratch, embedded) : noProbe,
    githubKeys: keys?.ask,
    logins,
    services: [...maybe(keys?.service), ...services],
    webhooks: createWebhookSender({ rules: options.live.webhooks }),
    settings: {
      domain: options.domain ?? DEFAULT_DOMAIN,
      idleAfterS: options.idleAfterS,
      auditRetentionS: options.auditRetentionS,
      images: driver.builtImages && worksOnDisks ? await openImages(options, store, logger) : undefined,
    },
    catalogue: options.live.catalogue,
    log: (level, fields, message) => logger[level](fields, message),
    ...(trace ? { trace } : {}),
  });
  closing.back.add("token uses", 200, () => core.tokenUses.written());
  closing.back.add("refusals", 200, () => core.refusals.written());
  if (roles.has("worker")) {
    if (embedded) await forgetLeases(store);
    await syncCapacity(core);
    options.live.onChange(() => syncCapacity(core));
  }
  return { core, deploymentId: id, name, dataDir, roles, alone: embedded && roles.has("api") };
}

async function openDisks(
  dataDir: string,
  { disks, isolation }: Driver,
  logger: Logger,
): Promise<DiskEngine | DiskHosts | undefined> {
  if (disks || isolation === "containers") return disks;
  return createLocalDisks({ dataDir, isolation, log: (fields, message) => logger.warn(fields, message) });
}

async function openImages(options: OpenOptions, store: Store, logger: Logger): Promise<ImageSettings> {
  const { dataDir, images: { allow, build } = {} } = options;
  return {
    allow,
    contexts: createBuildContexts(join(dataDir, "builds")),
    contextMaxBytes: build?.context_max ?? DEFAULT_CONTEXT_MAX,
    keepS: build?.keep ?? DEFAULT_KEEP_S,
    sealer: createSealer(await openSealKey(options, { store }, logger)),
  };
}

function openGithubKeys(
  { githubKeysUrl = DEFAULT_GITHUB }: ServerOptions,
  open: (options: ServiceOptions) => Service,
) {
  if (githubKeysUrl === "none") return undefined;
  const service = open({ name: "github-keys", title: "GitHub", maxBytes: MAX_KEYS_BYTES });
  return { service, ask: createGithubKeys(githubKeysUrl, service) };
}

async function takeAlone(
  options: ServerOptions,
  dataDir: string,
  roles: ReadonlySet<Role>,
  closing: Closing,
): Promise<void> {
  for (const role of roles) {
    const file = LOCKS[role];
    if (file === undefined) continue;
    const hold = await patiently(() => holdAlone(join(dataDir, file)), options);
    if (!hold) throw inUse(dataDir, "; stop that one first");
    closing.front.add(file, 100, () => hold.close());
  }
}

/** Servers of one PostgreSQL share the directory; those of another database would give its GPUs away twice. */
async function takeTogether(
  options: ServerOptions,
  dataDir: string,
  deployment: string,
  closing: Closing,
): Promise<void> {
  const hold = await patiently(() => holdTogether(join(dataDir, "server.lock"), deployment), options);
  if (!hold)
    throw inUse(dataDir, " with another database: stop that one first, or choose another --data-dir");
  closing.front.add("data directory", 100, () => hold.close());
}

const inUse = (dataDir: string, rest: string): StartError =>
  new StartError(`the data directory ${dataDir} is in use by another gpu-dev server${rest}`);

/** A server that was told to stop lets go within seconds: its successor may have been started at the same moment. */
async function patiently(
  take: () => Hold | undefined,
  { takeOverMs = DEFAULT_TAKE_OVER_MS }: ServerOptions,
): Promise<Hold | undefined> {
  for (const until = performance.now() + takeOverMs; ; await pause(LOCK_POLL_MS)) {
    const hold = take();
    if (hold || performance.now() >= until) return hold;
  }
}

/** Words of our own for a socket's error: it names an address, not what it is for. */
async function openDatabase(
  { databaseUrl, clock }: ServerOptions,
  dataDir: string,
  logger: Logger,
): Promise<Store> {
  const url = databaseUrl ?? `sqlite:${join(dataDir, "gpu-dev.db")}`;
  const migration = {
    begins: (migration: string) => logger.info({ migration }, "migrating the database"),
    done: (migration: string, ms: number) => logger.info({ migration, ms }, "migrated"),
    waits: (migration: string, whose: string) =>
      logger.warn({ migration, whose }, "waiting for others to let go of the database"),
  };
  try {
    return await openStore({ url, migration, ...(clock ? { clock } : {}) });
  } catch (cause) {
    const { syscall, message } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new StartError(`the database cannot be reached: ${message}; see --database`, { cause });
  }
}

/** Servers of other pods would take these for lost ones. */
async function checkPlace(store: Store, here: string): Promise<void> {
  const place = await localDriverPlace(store, here);
  if (place !== here)
    throw new StartError(
      `this database belongs to the pods at ${place}, not to those at ${here}: give each machine and data directory a database of its own`,
    );
}

const maybe = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);

/** The probe's keys are in a directory of this process; those that dead ones left go. */
async function openProbe(store: Store, scratch: string, alone: boolean): Promise<Probe> {
  const parent = dirname(scratch);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const others = alone ? [] : (await knownServers({ store })).map((server) => server.name);
  for (const left of await readdir(parent))
    if (!others.includes(left)) await rm(join(parent, left), { recursive: true, force: true });
  return createSshProbe(scratch);
}
