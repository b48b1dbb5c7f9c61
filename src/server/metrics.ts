/**
 * The page at /metrics. What the database knows is counted there at each scrape; what only this process knows (its
 * tunnels, its requests, its calls of the driver) is counted here from its start on. Every known series is there from the
 * first scrape, at zero.
 */
import type { Core } from "../core/core.ts";
import { readTotals } from "../core/totals.ts";
import { type Clock, realClock } from "../tunnel/clock.ts";
import type { GatewayObserver } from "../tunnel/observer.ts";
import type { Certificate } from "./certificate.ts";
import { databaseFamilies } from "./metrics/database.ts";
import { Families } from "./metrics/families.ts";
import { outsideFamilies } from "./metrics/outside.ts";
import { reconcilerFamilies, requestFamilies } from "./metrics/process.ts";
import { totalFamilies } from "./metrics/totals.ts";
import { ECHO, tunnelObserver, tunnelStates, type Watched } from "./metrics/tunnels.ts";

export interface Metrics {
  readonly contentType: string;
  /** The page. Throws Problem unavailable when the database does not answer. */
  page(): Promise<string>;
  /** For the gateway of this process. */
  readonly observer: GatewayObserver;
  /** Counts this gateway from now on, and measures how late the event loop is; the answer ends it. */
  watch(gateway: Watched): () => void;
  /** A request was answered so. */
  request(status: number, ms: number): void;
}

/** How often the lateness of the event loop is measured. */
const LOOP_MS = 100;

export function createMetrics(
  core: Core,
  clock: Clock = realClock,
  certificate?: Pick<Certificate, "endsAt">,
): Metrics {
  const families = new Families();
  const setTotals = totalFamilies(families);
  const observer = tunnelObserver(families);
  const setGateway = tunnelStates(families);
  const request = requestFamilies(families);
  const setServices = outsideFamilies(families, core.services);
  const setDatabase = databaseFamilies(families, core);
  reconcilerFamilies(families, core);
  const loopDelay = families.histogram(
    "gpu_dev_event_loop_delay_seconds",
    "How late the event loop is: what a byte waits before it is read",
    ECHO,
  );
  const setCertificate = certificate ? certificateFamily(families, certificate) : () => undefined;
  let watched: Watched | undefined;
  return {
    contentType: families.registry.contentType,
    observer,
    request,
    async page() {
      const totals = await readTotals(core);
      setTotals(totals);
      setGateway(watched);
      setServices();
      setDatabase();
      setCertificate();
      return families.registry.metrics();
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

function certificateFamily(families: Families, certificate: Pick<Certificate, "endsAt">): () => void {
  const end = families.gauge(
    "gpu_dev_tls_certificate_end_timestamp_seconds",
    "When the certificate that is shown now ends, in seconds since 1970",
  );
  return () => end.set(certificate.endsAt);
}
