/** The sessions that a client may come back to and, for a while, why others are gone. */
import { Problem } from "../api/errors.ts";
import type { Clock } from "./clock.ts";
import type { GatewayTunnel } from "./gateway-tunnel.ts";
import type { Ending } from "./pipe.ts";

/** How long a client that comes back too late is still told why. */
const REMEMBERED_MS = 5 * 60_000;
/** Older reasons are forgotten earlier: what is remembered must not grow with the traffic. */
const MAX_REMEMBERED = 10_000;

interface Owned {
  readonly userId: string;
  readonly reservationId: string;
}

interface Tombstone extends Owned {
  readonly why: string;
  readonly until: number;
}

export class Sessions {
  readonly #clock: Clock;
  readonly #live = new Map<string, Owned & { readonly tunnel: GatewayTunnel }>();
  /** The oldest first. */
  readonly #tombstones = new Map<string, Tombstone>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Holds the session until its tunnel has ended. */
  add(session: string, { userId, reservationId }: Owned, tunnel: GatewayTunnel): void {
    this.#live.set(session, { userId, reservationId, tunnel });
    void tunnel.ended.then((ending) => {
      this.#live.delete(session);
      const until = this.#clock.now() + REMEMBERED_MS;
      this.#tombstones.set(session, { userId, reservationId, why: reason(ending), until });
      this.#forget();
    });
  }

  /** The tunnel of a session that `by` may go on with. Throws Problem session_gone, and not_found for somebody else's. */
  find(session: string, by: Owned): GatewayTunnel {
    this.#forget();
    const live = this.#live.get(session);
    const known = live ?? this.#tombstones.get(session);
    if (known && (known.userId !== by.userId || known.reservationId !== by.reservationId))
      throw new Problem("not_found", "no such session, or it is not yours", { hint: "connect again" });
    if (live) return live.tunnel;
    const why =
      this.#tombstones.get(session)?.why ??
      "the server does not know it: it was restarted, or a long time has passed";
    throw new Problem("session_gone", why, { hint: "connect again" });
  }

  #forget(): void {
    for (const [session, { until }] of this.#tombstones) {
      if (until > this.#clock.now() && this.#tombstones.size <= MAX_REMEMBERED) return;
      this.#tombstones.delete(session);
    }
  }
}

function reason(ending: Ending): string {
  switch (ending.kind) {
    case "said":
    case "lost":
      return ending.text;
    case "bye":
      return "it was ended by its client";
    case "delivered":
    case "unwanted":
      return "it was over";
  }
}
