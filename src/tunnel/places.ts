/** Who holds how many tunnels, and who may have one more. */
import { Problem } from "../api/errors.ts";
import type { GatewayTunnel } from "./gateway-tunnel.ts";

export interface Limits {
  readonly maxPerUser: number;
  readonly maxPerReservation: number;
}

interface Holder {
  readonly userId: string;
  readonly reservationId: string;
}

/** Tunnels at other gateways. */
export interface Elsewhere {
  readonly ofUser: number;
  readonly ofReservation: number;
}

/** Held from admission until nothing of the tunnel is left. */
export interface Place extends Holder {
  /** Undefined while it is being opened. */
  tunnel: GatewayTunnel | undefined;
}

interface Traffic {
  /** Bytes from the clients, and to them. */
  readonly up: number;
  readonly down: number;
}

export interface GatewayState extends Traffic {
  readonly opening: number;
  readonly connected: number;
  /** Waiting for their client to come back. */
  readonly detached: number;
}

export class Places {
  readonly #limits: Limits;
  readonly #held = new Set<Place>();
  /** Of the tunnels that are gone. */
  #past: Traffic = { up: 0, down: 0 };

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#held.size;
  }

  [Symbol.iterator](): Iterator<Place> {
    return this.#held.values();
  }

  /**
   * A place for one more beside those `elsewhere`. At a limit, the user's session here that has been without its client for the
   * longest time gives way: a client that died without a word must not keep its user out for minutes. Throws Problem
   * too_many_tunnels.
   */
  async take({ userId, reservationId }: Holder, elsewhere: Elsewhere): Promise<Place> {
    const isFull = () => this.#full(userId, reservationId, elsewhere);
    for (let full = isFull(); full; full = isFull()) {
      const oldest = longestDetached(full.held, userId);
      if (!oldest?.tunnel) throw tooMany(full.detail);
      oldest.tunnel.giveWay();
      await oldest.tunnel.closed;
      this.give(oldest);
    }
    const place: Place = { userId, reservationId, tunnel: undefined };
    this.#held.add(place);
    return place;
  }

  /** Gives a place back; doing it again does nothing. */
  give(place: Place): void {
    if (this.#held.delete(place) && place.tunnel) this.#past = added(this.#past, place.tunnel.traffic);
  }

  /** What the tunnels do, and the bytes of all of them so far, which never shrink. */
  state(): GatewayState {
    const tunnels = [...this.#held].flatMap(({ tunnel }) => tunnel ?? []);
    const detached = tunnels.filter((tunnel) => tunnel.detachedSince !== undefined).length;
    const traffic = tunnels.reduce((sum, tunnel) => added(sum, tunnel.traffic), this.#past);
    const opening = this.#held.size - tunnels.length;
    return { ...traffic, opening, connected: tunnels.length - detached, detached };
  }

  #full(
    userId: string,
    reservationId: string,
    elsewhere: Elsewhere,
  ): { held: Place[]; detail: string } | undefined {
    const { maxPerUser, maxPerReservation } = this.#limits;
    const users = [...this.#held].filter((place) => place.userId === userId);
    if (users.length + elsewhere.ofUser >= maxPerUser)
      return { held: users, detail: `you have ${maxPerUser} tunnels open, which is the limit` };
    const held = [...this.#held].filter((place) => place.reservationId === reservationId);
    if (held.length + elsewhere.ofReservation < maxPerReservation) return undefined;
    return { held, detail: `the reservation has ${maxPerReservation} tunnels open, which is the limit` };
  }
}

const added = (a: Traffic, b: Traffic): Traffic => ({ up: a.up + b.up, down: a.down + b.down });

function longestDetached(held: readonly Place[], userId: string): Place | undefined {
  const since = ({ tunnel }: Place): number => tunnel?.detachedSince ?? Number.POSITIVE_INFINITY;
  const detached = held.filter((place) => place.userId === userId && Number.isFinite(since(place)));
  return detached.sort((a, b) => since(a) - since(b))[0];
}

const tooMany = (detail: string): Problem =>
  new Problem("too_many_tunnels", detail, { hint: "close one, then try again", retryAfter: 10 });
