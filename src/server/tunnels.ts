/** The tunnel gateway, admitted by the rules (T-08). */
import type { Logger } from "pino";
import { Problem } from "../api/errors.ts";
import type { Core } from "../core/core.ts";
import { type Admission, admitTunnel, authenticate, type TunnelTarget } from "../core/people/access.ts";
import { tunnelsElsewhere } from "../core/presence.ts";
import { TunnelAudit } from "../core/tunnels/audit.ts";
import { realClock } from "../tunnel/clock.ts";
import { createGateway, type Gateway } from "../tunnel/gateway.ts";
import type { Limits } from "./config/live.ts";
import type { Metrics } from "./metrics.ts";
import type { RateLimits } from "./rate-limits.ts";

/**
 * A gateway whose tunnels end with their reservation: pushed by the core, and asked again every 2 s. Each is counted and
 * recorded; closing it waits until the records are written.
 */
export function createTunnels(
  core: Core,
  name: string,
  logger: Logger,
  metrics: Metrics,
  rates: RateLimits,
  limits: () => Limits,
  detachMaxS?: number,
): Gateway {
  const audit = new TunnelAudit(core, realClock, name);
  const gateway = createGateway({
    name,
    get maxPerReservation() {
      return limits().tunnelsPerReservation;
    },
    get maxPerUser() {
      return limits().tunnelsPerUser;
    },
    ...(detachMaxS === undefined ? {} : { detachMs: detachMaxS * 1000 }),
    log: (fields, message) => logger.info(fields, message),
    admit: (request) => admit(core, rates, request),
    elsewhere: (holder) => tunnelsElsewhere(core, name, holder),
    observer: {
      ...metrics.observer,
      opened(tunnel) {
        metrics.observer.opened(tunnel);
        audit.opened(tunnel);
      },
      closed(tunnel) {
        metrics.observer.closed(tunnel);
        audit.closed(tunnel);
      },
    },
  });
  core.signals.on("ended", (id, why) => gateway.endReservation(id, why));
  const unwatch = metrics.watch({ state: () => gateway.state(), audit: () => audit.counts });
  return {
    handleUpgrade: (request, socket, head) => gateway.handleUpgrade(request, socket, head),
    endReservation: (id, why) => gateway.endReservation(id, why),
    count: () => gateway.count(),
    state: () => gateway.state(),
    async close(graceMs) {
      await gateway.close(graceMs);
      unwatch();
      await audit.close();
    },
  };
}

interface Asked extends TunnelTarget {
  readonly token: string | undefined;
  readonly remoteAddress: string;
}

/** Opening counts as a request; what goes through never does. Throws Problem: rate_limited, and those of admitTunnel. */
export async function admit(core: Core, rates: RateLimits, request: Asked): Promise<Admission> {
  const { token, remoteAddress, reservation } = request;
  try {
    return await rates.login(token, remoteAddress, () => admitTunnel(core, token, request));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const known = error.code === "not_allowed" ? (await authenticate(core, token)).id : undefined;
    core.refusals.note(error, `tunnel to ${reservation}`, known, remoteAddress);
    throw error;
  }
}

const TUNNEL = /^\/v1\/tunnel\/[^/?]+(?:\?|$)/;

/** True for the one path that upgrades. */
export const isTunnel = (url: string): boolean => TUNNEL.test(url);
