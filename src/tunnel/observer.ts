/** What a gateway tells those who count its tunnels. Each call is quick and never throws: bytes wait meanwhile. */
import type { ErrorCode } from "../api/errors.ts";
import type { Ending } from "./pipe.ts";

/** How a tunnel ended, as one word of a closed list: it labels a metric and stands in the audit trail. */
export const TUNNEL_ENDS = [
  /** Both streams came to their end. */
  "done",
  /** The client was told to end, or nobody read its output any more. */
  "hangup",
  /** The client said goodbye for another reason. */
  "client",
  "pod_lost",
  /** Its client did not come back in time. */
  "not_resumed",
  /** Detached, it made room for another tunnel of its user. */
  "gave_way",
  /** Nothing ever came from the client. */
  "no_sign",
  "protocol",
  "reservation_ended",
  "not_logged_in",
  "not_found",
  "not_allowed",
  "draining",
  "other",
] as const;
export type TunnelEnd = (typeof TUNNEL_ENDS)[number];

/** What is known of a tunnel from its opening on. */
export interface TunnelAbout {
  readonly session: string;
  readonly userId: string;
  readonly reservationId: string;
  readonly node: number;
  readonly port: number;
  /** Of the connection that opened it. */
  readonly remoteAddress: string;
}

/** One tunnel, told once, when it is open. */
interface TunnelOpening extends TunnelAbout {
  /** Milliseconds by the gateway's clock, which starts anywhere and never goes back. */
  readonly openedAt: number;
}

/** One tunnel, told once, when it is over. */
export interface TunnelRecord extends TunnelOpening {
  readonly endedAt: number;
  /** Bytes from the client and to it; what was sent again counts once. */
  readonly up: number;
  readonly down: number;
  readonly resumes: number;
  readonly end: TunnelEnd;
  /** The end in words, one line. */
  readonly text: string;
}

type Direction = "up" | "down";

export interface GatewayObserver {
  opened(tunnel: TunnelOpening): void;
  resumed(): void;
  refused(code: ErrorCode): void;
  /** Milliseconds from the client's request to the first byte of the pod. */
  firstByte(ms: number): void;
  /** Milliseconds from reading a byte until the kernel has it for the other side; sampled (Stopwatch). */
  echo(direction: Direction, ms: number): void;
  closed(tunnel: TunnelRecord): void;
}

const ignore = (): void => undefined;
export const NOBODY: GatewayObserver = {
  opened: ignore,
  resumed: ignore,
  refused: ignore,
  firstByte: ignore,
  echo: ignore,
  closed: ignore,
};

/** The word for an ending; a pod whose connection broke is why, though the client then says goodbye. */
export function tunnelEnd(ending: Ending, podLost: boolean): TunnelEnd {
  switch (ending.kind) {
    case "said":
      return isTunnelEnd(ending.code) ? ending.code : "other";
    case "lost":
      return "not_resumed";
    case "bye":
      if (ending.code === "hangup") return "hangup";
      if (ending.code !== "done") return "client";
      return podLost ? "pod_lost" : "done";
    case "delivered":
    case "unwanted":
      return "other";
  }
}

const isTunnelEnd = (code: string): code is TunnelEnd => (TUNNEL_ENDS as readonly string[]).includes(code);

/** What an ending says beside its word. */
export function endText(ending: Ending): string {
  switch (ending.kind) {
    case "said":
    case "lost":
    case "bye":
      return ending.text;
    case "delivered":
      return "delivered";
    case "unwanted":
      return ending.error.message;
  }
}
