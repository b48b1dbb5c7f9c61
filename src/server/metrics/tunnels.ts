/** The gateway of this process: what it tells as it happens, and what it says of itself when it is asked. */
import { ERRORS, type ErrorCode } from "../../api/errors.ts";
import type { GatewayState } from "../../tunnel/gateway.ts";
import { type GatewayObserver, TUNNEL_ENDS } from "../../tunnel/observer.ts";
import { type Families, setTotal } from "./families.ts";

/** What is asked at each scrape of a gateway in this process. */
export interface Watched {
  readonly state: () => GatewayState;
  /** Entries of the audit trail that wait to be written, and that never were. */
  readonly audit: () => { readonly waiting: number; readonly lost: number };
}

const NO_GATEWAY: Watched = {
  state: () => ({ opening: 0, connected: 0, detached: 0, up: 0, down: 0 }),
  audit: () => ({ waiting: 0, lost: 0 }),
};

const DIRECTIONS = ["up", "down"] as const;
/** Seconds: a key that was typed, a first answer of a pod. */
export const ECHO = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const FIRST_BYTE = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Declares what is told as it happens; the answer records it. */
export function tunnelObserver(families: Families): GatewayObserver {
  const opened = families.counter("gpu_dev_tunnels_opened_total", "Tunnels opened");
  const resumed = families.counter(
    "gpu_dev_tunnel_resumes_total",
    "Times that a client came back to its tunnel on another connection",
  );
  const ended = families.counter("gpu_dev_tunnels_ended_total", "Tunnels that are over, by what ended them", {
    end: TUNNEL_ENDS,
  });
  const refused = families.counter(
    "gpu_dev_tunnel_refusals_total",
    "Upgrades that were refused, by error code",
    { code: Object.keys(ERRORS) as ErrorCode[] },
  );
  const firstByte = families.histogram(
    "gpu_dev_tunnel_first_byte_seconds",
    "From a client's request for a tunnel to the first byte of its pod",
    FIRST_BYTE,
  );
  const echo = families.histogram(
    "gpu_dev_tunnel_echo_seconds",
    "From reading a byte that nothing waits before until the kernel has it for the other side; sampled",
    ECHO,
    { direction: DIRECTIONS },
  );
  return {
    opened: () => opened.inc(),
    resumed: () => resumed.inc(),
    refused: (code) => refused.inc({ code }),
    firstByte: (ms) => firstByte.observe(ms / 1000),
    echo: (direction, ms) => echo.observe({ direction }, ms / 1000),
    closed: ({ end }) => ended.inc({ end }),
  };
}

/** Declares what is asked; the answer asks, and takes nothing for a process without a gateway. */
export function tunnelStates(families: Families): (gateway: Watched | undefined) => void {
  const tunnels = families.gauge(
    "gpu_dev_tunnels",
    "Tunnels that are being opened, have their client, or wait for it to come back",
    { state: ["opening", "connected", "detached"] },
  );
  const bytes = families.counter(
    "gpu_dev_tunnel_bytes_total",
    "Bytes of the streams from clients (up) and to them (down); what was sent again counts once",
    { direction: DIRECTIONS },
  );
  const waiting = families.gauge(
    "gpu_dev_tunnel_audit_waiting",
    "Tunnels that are over and not yet in the audit trail",
  );
  const lost = families.counter(
    "gpu_dev_tunnel_audit_lost_total",
    "Tunnels that the database would not take into the audit trail; the log has them",
  );
  return ({ state, audit } = NO_GATEWAY) => {
    const { up, down, ...counts } = state();
    for (const [name, count] of Object.entries(counts)) tunnels.set({ state: name }, count);
    setTotal(bytes, [
      [{ direction: "up" }, up],
      [{ direction: "down" }, down],
    ]);
    const entries = audit();
    waiting.set(entries.waiting);
    setTotal(lost, [[{}, entries.lost]]);
  };
}
