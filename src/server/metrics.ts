/**
 * The page at /metrics. What the database knows is counted there at each scrape; what only this process knows (its
 * tunnels, its probes) is counted here from its start on. Every known series is there from the first scrape, at zero.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { ERRORS } from "../api/errors.ts";
import { FINAL_STATES } from "../api/reservations.ts";
import { type Core, type OutsideService, POST_OUTCOMES } from "../core/core.ts";
import { PROBE_CAUSES } from "../core/pods/probe.ts";
import { LIVE_STATES, readTotals, type Totals } from "../core/totals.ts";
import { type Clock, realClock } from "../tunnel/clock.ts";
import type { GatewayState } from "../tunnel/gateway.ts";
import { type GatewayObserver, TUNNEL_ENDS } from "../tunnel/observer.ts";

/** What is asked at each scrape of a gateway in this process. */
interface Watched {
  readonly state: () => GatewayState;
  /** Entries of the audit trail that wait to be written, and that never were. */
  readonly audit: () => { readonly waiting: number; readonly lost: number };
}

export interface Metrics {
  readonly contentType: string;
  /** The page. Throws Problem unavailable when the database does not answer. */
  page(): Promise<string>;
  /** For the gateway of this process. */
  readonly observer: GatewayObserver;
  /** Counts this gateway from now on, and measures how late the event loop is; the answer ends it. */
  watch(gateway: Watched): () => void;
}

/** How often the lateness of the event loop is measured. */
const LOOP_MS = 100;

/** Seconds: a key that was typed, a first answer of a pod, a reservation that is being prepared. */
const ECHO = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const FIRST_BYTE = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const PREPARING = [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

export function createMetrics(core: Core, clock: Clock = realClock): Metrics {
  const registry = new Registry();
  const setTotals = totals(registry);
  const setServices = outside(registry, core.services);
  const { observer, setGateway } = tunnels(registry);
  const loopDelay = histogram(
    registry,
    "gpu_dev_event_loop_delay_seconds",
    "How late the event loop is: what a byte waits before it is read",
    ECHO,
  );
  listen(core, registry);
  let watched: Watched | undefined;
  return {
    contentType: registry.contentType,
    observer,
    async page() {
      const now = await readTotals(core);
      setTotals(now);
      setServices();
      setGateway(watched);
      return registry.metrics();
    },
    watch(gateway) {
      watched = gateway;
      let due = clock.now() + LOOP_MS;
      return clock.every(LOOP_MS, () => {
        const now = clock.now();
        loopDelay.observe(Math.max(0, now - due) / 1000);
        due = now + LOOP_MS;
      });
    },
  };
}

function histogram(registry: Registry, name: string, help: string, buckets: number[]): Histogram {
  return new Histogram({ registers: [registry], name, help, buckets });
}

/** What happens to reservations in this process. */
function listen(core: Core, registry: Registry): void {
  const preparing = histogram(
    registry,
    "gpu_dev_preparing_seconds",
    "From the placement of a reservation until ssh works, as seen by this process",
    PREPARING,
  );
  const unproved = new Counter({
    registers: [registry],
    name: "gpu_dev_ssh_verification_failures_total",
    help: "First logins that were tried in vain by this process, by cause",
    labelNames: ["cause"],
  });
  const posted = new Counter({
    registers: [registry],
    name: "gpu_dev_webhook_posts_total",
    help: "Posts to webhooks by this process: delivered, not taken and tried again, or given up",
    labelNames: ["outcome"],
  });
  for (const cause of PROBE_CAUSES) unproved.inc({ cause }, 0);
  for (const outcome of POST_OUTCOMES) posted.inc({ outcome }, 0);
  core.signals.on("posted", (outcome) => posted.inc({ outcome }));
  core.signals.on("activated", (ms) => preparing.observe(ms / 1000));
  core.signals.on("unproved", (cause) => unproved.inc({ cause }));
}

/** What the database knows. */
function totals(registry: Registry): (totals: Totals) => void {
  const registers = [registry];
  const live = new Gauge({
    registers,
    name: "gpu_dev_reservations",
    help: "Reservations that are not over, by state",
    labelNames: ["state"],
  });
  const created = new Counter({
    registers,
    name: "gpu_dev_reservations_created_total",
    help: "Reservations that were ever made",
  });
  const ended = new Counter({
    registers,
    name: "gpu_dev_reservations_ended_total",
    help: "Reservations that are over, by how they ended",
    labelNames: ["state"],
  });
  const capacity = new Gauge({
    registers,
    name: "gpu_dev_capacity",
    help: "GPUs by type and status; places, for a type without GPUs",
    labelNames: ["gpu_type", "status"],
  });
  const queue = new Gauge({
    registers,
    name: "gpu_dev_queue_length",
    help: "Reservations that wait, by GPU type",
    labelNames: ["gpu_type"],
  });
  return ({ reservations, types }) => {
    for (const state of LIVE_STATES) live.set({ state }, reservations.get(state) ?? 0);
    created.reset();
    for (const count of reservations.values()) created.inc(count);
    ended.reset();
    for (const state of FINAL_STATES) ended.inc({ state }, reservations.get(state) ?? 0);
    capacity.reset();
    queue.reset();
    for (const { gpuType, queued, ...counts } of types) {
      for (const status of ["free", "used", "unavailable"] as const)
        capacity.set({ gpu_type: gpuType, status }, counts[status]);
      queue.set({ gpu_type: gpuType }, queued);
    }
  };
}

/** What is asked outside of the deployment. */
function outside(registry: Registry, services: readonly OutsideService[]): () => void {
  if (services.length === 0) return () => undefined;
  const registers = [registry];
  const requests = new Counter({
    registers,
    name: "gpu_dev_outside_requests_total",
    help: "Requests of this process to services outside: answered, failed, or refused because the service is taken for down",
    labelNames: ["service", "outcome"],
  });
  const down = new Gauge({
    registers,
    name: "gpu_dev_outside_down",
    help: "1 for a service outside that failed again and again, and is not asked for a while",
    labelNames: ["service"],
  });
  return () => {
    requests.reset();
    for (const service of services) {
      const { name } = service;
      const { down: isDown, ...counts } = service.state();
      for (const [outcome, count] of Object.entries(counts)) requests.inc({ service: name, outcome }, count);
      down.set({ service: name }, isDown ? 1 : 0);
    }
  };
}

/** The gateway of this process. */
function tunnels(registry: Registry): {
  observer: GatewayObserver;
  setGateway: (gateway: Watched | undefined) => void;
} {
  const registers = [registry];
  const opened = new Counter({ registers, name: "gpu_dev_tunnels_opened_total", help: "Tunnels opened" });
  const resumed = new Counter({
    registers,
    name: "gpu_dev_tunnel_resumes_total",
    help: "Times that a client came back to its tunnel on another connection",
  });
  const ended = new Counter({
    registers,
    name: "gpu_dev_tunnels_ended_total",
    help: "Tunnels that are over, by what ended them",
    labelNames: ["end"],
  });
  const refused = new Counter({
    registers,
    name: "gpu_dev_tunnel_refusals_total",
    help: "Upgrades that were refused, by error code",
    labelNames: ["code"],
  });
  const firstByte = histogram(
    registry,
    "gpu_dev_tunnel_first_byte_seconds",
    "From a client's request for a tunnel to the first byte of its pod",
    FIRST_BYTE,
  );
  const echo = new Histogram({
    registers,
    name: "gpu_dev_tunnel_echo_seconds",
    help: "From reading a byte that nothing waits before until the kernel has it for the other side; sampled",
    labelNames: ["direction"],
    buckets: ECHO,
  });
  for (const end of TUNNEL_ENDS) ended.inc({ end }, 0);
  for (const code of Object.keys(ERRORS)) refused.inc({ code }, 0);
  for (const direction of ["up", "down"]) echo.zero({ direction });
  return {
    observer: {
      opened: () => opened.inc(),
      resumed: () => resumed.inc(),
      refused: (code) => refused.inc({ code }),
      firstByte: (ms) => firstByte.observe(ms / 1000),
      echo: (direction, ms) => echo.observe({ direction }, ms / 1000),
      closed: ({ end }) => ended.inc({ end }),
    },
    setGateway: gatewayGauges(registry),
  };
}

const NO_GATEWAY: Watched = {
  state: () => ({ opening: 0, connected: 0, detached: 0, up: 0, down: 0 }),
  audit: () => ({ waiting: 0, lost: 0 }),
};

/** What a gateway says of itself when it is asked. */
function gatewayGauges(registry: Registry): (gateway: Watched | undefined) => void {
  const registers = [registry];
  const tunnels = new Gauge({
    registers,
    name: "gpu_dev_tunnels",
    help: "Tunnels that are being opened, have their client, or wait for it to come back",
    labelNames: ["state"],
  });
  const bytes = new Counter({
    registers,
    name: "gpu_dev_tunnel_bytes_total",
    help: "Bytes of the streams from clients (up) and to them (down); what was sent again counts once",
    labelNames: ["direction"],
  });
  const waiting = new Gauge({
    registers,
    name: "gpu_dev_tunnel_audit_waiting",
    help: "Tunnels that are over and not yet in the audit trail",
  });
  const lost = new Counter({
    registers,
    name: "gpu_dev_tunnel_audit_lost_total",
    help: "Tunnels that the database would not take into the audit trail; the log has them",
  });
  return ({ state, audit } = NO_GATEWAY) => {
    const { up, down, ...counts } = state();
    for (const [name, count] of Object.entries(counts)) tunnels.set({ state: name }, count);
    bytes.reset();
    bytes.inc({ direction: "up" }, up);
    bytes.inc({ direction: "down" }, down);
    const entries = audit();
    waiting.set(entries.waiting);
    lost.reset();
    lost.inc(entries.lost);
  };
}
