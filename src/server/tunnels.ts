/** The tunnel gateway, admitted by the rules (T-08). */
import type { Logger } from "pino";
import { admitTunnel } from "../core/access.ts";
import type { Core } from "../core/core.ts";
import { createGateway, type Gateway } from "../tunnel/gateway.ts";

/** A developer with an editor, some shells and forwarded ports has about ten open. */
const MAX_PER_RESERVATION = 100;
const MAX_PER_USER = 200;

/** A gateway whose tunnels end with their reservation: pushed by the core, and asked again every 2 s. */
export function createTunnels(core: Core, name: string, logger: Logger, detachMaxS?: number): Gateway {
  const gateway = createGateway({
    name,
    maxPerReservation: MAX_PER_RESERVATION,
    maxPerUser: MAX_PER_USER,
    ...(detachMaxS === undefined ? {} : { detachMs: detachMaxS * 1000 }),
    log: (fields, message) => logger.info(fields, message),
    admit: (request) => admitTunnel(core, request.token, request),
  });
  core.signals.on("ended", (id, why) => gateway.endReservation(id, why));
  return gateway;
}

const TUNNEL = /^\/v1\/tunnel\/[^/?]+(?:\?|$)/;

/** True for the one path that upgrades. */
export const isTunnel = (url: string): boolean => TUNNEL.test(url);
