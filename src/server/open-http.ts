/** What a process listens on: its port, and the socket on which other servers hand tunnels to its gateway. */
import type { IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { VERSION } from "../api/version.ts";
import type { Core } from "../core/core.ts";
import { joinServers, type KnownServer, knownServers, type Presence } from "../core/presence.ts";
import type { Gateway } from "../tunnel/gateway.ts";
import { type Peer, Router } from "../tunnel/router.ts";
import { createApp } from "./app.ts";
import { Certificate, urlBy } from "./certificate.ts";
import { createClientAddress } from "./client-address.ts";
import { DEFAULT_TAKE_OVER_MS, isLoopback, parseListen, type ServerOptions } from "./config/config.ts";
import type { LiveSettings } from "./config/live.ts";
import { openDoor } from "./door.ts";
import { listen } from "./listen.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { Closing, OpenCore } from "./open-core.ts";
import { createRateLimits, type RateLimits } from "./rate-limits.ts";
import { type Checks, createReadiness } from "./readiness.ts";
import { createStreams } from "./streams.ts";
import { admit, createTunnels, isTunnel } from "./tunnels.ts";

/** A server that is told to stop gives up its port at once. */
const PORT_TAKE_OVER_MS = 2000;
/** Less than a part may take. */
const HOSTS_MS = 1500;

export interface OpenHttp {
  readonly url: string;
  /** Undefined without the gateway role. */
  readonly gateway: Gateway | undefined;
  /** What it shows; undefined without TLS. */
  readonly certificate: Certificate | undefined;
}

/** Listens, and makes this process known to the others. What is new is refused from the moment that `front` is closed. */
export async function openHttp(
  open: OpenCore,
  options: ServerOptions & { readonly live: LiveSettings },
  logger: Logger,
  { front, back }: Closing,
): Promise<OpenHttp> {
  const { core, name } = open;
  const certificate = options.tls && (await Certificate.open(options.tls, logger));
  if (certificate) back.add("certificate", 100, () => certificate.close());
  const metrics = createMetrics(core, undefined, certificate);
  const limits = createRateLimits(options.live.limits);
  const gateway = open.roles.has("gateway")
    ? createTunnels(core, name, logger, metrics, limits, options.live.limits, options.detachMaxS)
    : undefined;
  const presence = await appear(open, gateway, back);
  front.add("presence", 600, () => presence.drain());

  const router = createRouter(open, gateway, metrics, limits, logger);
  front.add("forwarded tunnels", 100, () => router.close());
  let draining = false;
  const streams = createStreams(core);
  const clientAddress = createClientAddress(options.behindProxy);
  const parts = {
    core,
    streams,
    logger,
    deploymentId: open.deploymentId,
    version: VERSION,
    draining: () => draining,
    ready: readiness(open, presence, logger),
    metrics,
    clientAddress,
    limits,
    corsOrigins: options.live.corsOrigins,
  };
  const takeOverMs = Math.min(options.takeOverMs ?? DEFAULT_TAKE_OVER_MS, PORT_TAKE_OVER_MS);
  const http = await listen({
    ...parseListen(options.listen, options),
    app: createApp({ ...parts, api: open.roles.has("api") }),
    certificate,
    isTunnel,
    takeOverMs,
    upgrade: (request, socket, head) => {
      tellAddress(request, clientAddress(request));
      router.handleUpgrade(request, socket, head);
    },
  });
  if (options.metricsListen !== undefined) {
    const at = parseListen(options.metricsListen, options);
    const page = await listen({
      ...at,
      app: createApp({ ...parts, api: false, openMetrics: true }),
      // Within the machine there is nothing to hide, and no name that a certificate would have.
      certificate: isLoopback(at.host) ? undefined : certificate,
      isTunnel: () => false,
      takeOverMs,
      upgrade: (_request, socket) => socket.destroy(),
    });
    front.add("metrics", 1300, () => page.close());
    logger.info({ url: page.url }, "metrics are told without a token");
  }
  front.add("requests", 1300, () => http.close());
  front.add("event streams", 100, () => streams.close());
  front.add("port", 100, () => {
    draining = true;
    http.stop();
  });
  const url = options.publicUrl ?? (certificate ? urlBy(certificate.pair, http.url) : http.url);
  return { url, gateway, certificate };
}

/** The connection is the tunnel's alone from now on: whoever asks it where it comes from wants to know about the client. */
function tellAddress({ socket }: IncomingMessage, address: string): void {
  if (address !== socket.remoteAddress) Object.defineProperty(socket, "remoteAddress", { value: address });
}

/** The door, then the name that leads others to it, then the tunnels: closed in the opposite order, also when one fails to open. */
async function appear(
  { core, name, dataDir }: OpenCore,
  gateway: Gateway | undefined,
  back: Closing["back"],
): Promise<Presence> {
  try {
    const door = gateway && (await openDoor(dataDir, name, gateway));
    if (door) back.add("door", 100, () => door.close());
    const presence = await joinServers(core, name, door?.path ?? null, door?.dead);
    back.add("presence", 800, () => presence.leave());
    return presence;
  } finally {
    if (gateway) back.add("tunnels", 700, () => gateway.close(0));
  }
}

function createRouter(
  { core, name }: OpenCore,
  gateway: Gateway | undefined,
  metrics: Metrics,
  limits: RateLimits,
  logger: Logger,
): Router {
  return new Router({
    gateway,
    name,
    admit: (request) => admit(core, limits, request),
    peers: async () => (await knownServers(core)).flatMap(toPeer),
    log: (fields, message) => logger.info(fields, message),
    refused: (code) => metrics.observer.refused(code),
  });
}

const toPeer = ({ name, address, open }: KnownServer): Peer[] =>
  address === null ? [] : [{ name, address, open }];

/** Hosts that do not answer are named beside the parts (`services`); they are no reason to send nobody here. */
function driverAnswers({ driver }: Core): Promise<unknown> {
  const asked = driver.capacity();
  return driver.name === "docker" ? Promise.race([asked, pause(HOSTS_MS, undefined, { ref: false })]) : asked;
}

function readiness({ core, roles }: OpenCore, presence: Presence, logger: Logger) {
  const drives = roles.has("api") || roles.has("worker");
  const checks: Checks = {
    database: () => core.store.ping(),
    ...(drives ? { driver: () => driverAnswers(core) } : {}),
    presence: async () => presence.check(),
  };
  return createReadiness({
    checks,
    timeoutMs: 3000,
    maxAgeMs: 1000,
    now: () => performance.now(),
    onChange: (part, err) => logger[err ? "error" : "info"]({ part, err }, err ? "not ready" : "ready again"),
  });
}
