/** The server's end of the tunnels: admits, dials the pod, answers 101, takes clients back, and keeps count. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Problem } from "../api/errors.ts";
import { type Clock, realClock, within } from "./clock.ts";
import { GatewayTunnel } from "./gateway-tunnel.ts";
import { type GatewayObserver, NOBODY, type TunnelAbout } from "./observer.ts";
import {
  DEFAULT_DETACH_MS,
  DEFAULT_WINDOW,
  DETACH,
  RECEIVED,
  SESSION,
  SUBPROTOCOL,
  WINDOW,
} from "./opening.ts";
import type { Wire } from "./pipe.ts";
import { type Elsewhere, type GatewayState, Places } from "./places.ts";
import { refuseUpgrade } from "./refusal.ts";
import { Sessions } from "./sessions.ts";
import { type Resume, readRequest, type TunnelRequest } from "./tunnel-request.ts";
import { switchingProtocols } from "./websocket/handshake.ts";
import { SocketLink } from "./websocket/link.ts";

export type { GatewayState } from "./places.ts";

const RECHECK_MS = 2_000;
const DIAL_MS = 10_000;

const NONE: Elsewhere = { ofUser: 0, ofReservation: 0 };

/** The answer to a TunnelRequest that is allowed. */
export interface Admission {
  readonly userId: string;
  readonly reservationId: string;
  /** Connects to the pod's port; any error is answered as `pod_unreachable`, a Problem as itself. */
  dial(): Promise<Duplex>;
  /** Asked every 2 s; a Problem ends the tunnel with its words (T-08). An exception ends nothing. */
  recheck(): Promise<Problem | undefined>;
}

export interface GatewayOptions {
  /** Prefix of session ids, so that a resume finds the gateway that holds the session. */
  readonly name: string;
  /** Throws Problem for a refusal. */
  admit(request: TunnelRequest): Promise<Admission>;
  log(fields: object, message: string): void;
  /** With those of other gateways. */
  readonly maxPerUser: number;
  readonly maxPerReservation: number;
  /** What other gateways hold; without it, there are none. */
  elsewhere?(holder: { userId: string; reservationId: string }): Promise<Elsewhere>;
  readonly recheckMs?: number;
  /** How long a session whose connection broke waits for its client. */
  readonly detachMs?: number;
  /** Bytes in flight each way, 4 to 16 MiB. */
  readonly window?: number;
  readonly clock?: Clock;
  readonly observer?: GatewayObserver;
}

export interface Gateway {
  /** For the `upgrade` event of an http.Server: answers 101 or a problem document, and never throws. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends the tunnels of a reservation at once, with the reason. */
  endReservation(id: string, why: Problem): void;
  /** Tunnels that are open, being opened, or waiting for their client to come back. */
  count(): number;
  /** The same by what they do, and the bytes of all tunnels so far, which never shrink. */
  state(): GatewayState;
  /** Refuses new tunnels, waits up to `graceMs` for the open and the detached ones, then ends them with `bye draining`. */
  close(graceMs: number): Promise<void>;
}

/** What the 101 tells the client. */
interface Opening {
  readonly session: string;
  readonly received: number;
}

/** A new tunnel, once its pod is reached. */
interface Given {
  readonly asked: TunnelRequest;
  readonly askedAt: number;
  readonly admission: Admission;
  readonly pod: Duplex;
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** A gateway for one server process. */
export function createGateway(options: GatewayOptions): Gateway {
  return new TunnelGateway(options);
}

class TunnelGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #clock: Clock;
  readonly #window: number;
  readonly #detachMs: number;
  readonly #places: Places;
  readonly #observer: GatewayObserver;
  readonly #sessions: Sessions;
  #draining = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.#window = options.window ?? DEFAULT_WINDOW;
    this.#detachMs = options.detachMs ?? DEFAULT_DETACH_MS;
    this.#places = new Places(options);
    this.#observer = options.observer ?? NOBODY;
    this.#sessions = new Sessions(this.#clock);
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until the WebSocket takes over, nobody else listens; a client that is gone shows as destroyed.
    socket.on("error", () => socket.destroy());
    this.#open({ request, socket, head }, this.#clock.now()).catch((error: unknown) =>
      this.#refuse(socket, error),
    );
  }

  endReservation(id: string, why: Problem): void {
    for (const place of this.#places) if (place.reservationId === id) place.tunnel?.end(why);
  }

  count(): number {
    return this.#places.size;
  }

  state(): GatewayState {
    return this.#places.state();
  }

  async close(graceMs: number): Promise<void> {
    this.#draining = true;
    if (graceMs > 0) await within(this.#clock, graceMs, this.#emptied());
    for (const { tunnel } of this.#places) tunnel?.end(draining());
    await this.#emptied();
  }

  #emptied(): Promise<unknown> {
    return Promise.all([...this.#places].map(({ tunnel }) => tunnel?.closed));
  }

  async #open(upgrade: Upgrade, askedAt: number): Promise<void> {
    const asked = readRequest(upgrade.request);
    if (asked.resume) return this.#resume(upgrade, asked, asked.resume);
    if (this.#draining) throw draining();
    const admission = await this.#options.admit(asked);
    const elsewhere = await this.#options.elsewhere?.(admission);
    const place = await this.#places.take(admission, elsewhere ?? NONE);
    try {
      const pod = await this.#dial(admission, asked.port);
      place.tunnel = this.#start(upgrade, { asked, askedAt, admission, pod });
      await place.tunnel?.closed;
    } finally {
      this.#places.give(place);
    }
  }

  /** The token is checked anew, since a session is no credential (T-07). Whoever comes last has the session. */
  async #resume(upgrade: Upgrade, asked: TunnelRequest, { session, received }: Resume): Promise<void> {
    const admission = await this.#options.admit(asked);
    const tunnel = this.#sessions.find(session, admission);
    if (upgrade.socket.destroyed) return;
    this.#upgrade(upgrade, { session, received: tunnel.release(asked.attempt, received) }, (wire) =>
      tunnel.resume(wire, received, () => admission.recheck()),
    );
  }

  /** The pod's stream. Throws Problem; a stream that comes too late is closed. */
  async #dial(admission: Admission, port: number): Promise<Duplex> {
    let late = false;
    const dialled = admission.dial().then(
      (pod) => {
        if (late) pod.destroy();
        return pod;
      },
      (error: unknown) => error as Error,
    );
    late = !(await within(this.#clock, DIAL_MS, dialled));
    const pod = late ? new Error(`no connection within ${DIAL_MS / 1000} s`) : await dialled;
    if (!(pod instanceof Error)) return pod;
    throw pod instanceof Problem ? pod : unreachable(port, pod);
  }

  /** Answers 101 and lets the bytes flow; undefined when the client is gone already. */
  #start(upgrade: Upgrade, given: Given): GatewayTunnel | undefined {
    const { pod, admission } = given;
    if (this.#draining || upgrade.socket.destroyed) {
      pod.destroy();
      if (this.#draining) throw draining();
      return undefined;
    }
    const session = `${this.#options.name}.${randomBytes(16).toString("hex")}`;
    let tunnel: GatewayTunnel | undefined;
    this.#upgrade(upgrade, { session, received: 0 }, (wire) => {
      tunnel = this.#tunnel(wire, session, given);
    });
    if (tunnel) this.#sessions.add(session, admission, tunnel);
    else pod.destroy();
    return tunnel;
  }

  /** Answers 101; `onWire` is called before this returns, or not at all when the client is gone. */
  #upgrade({ request, socket, head }: Upgrade, opening: Opening, onWire: (wire: Wire) => void): void {
    // A client that has ended its half before the answer is gone.
    if (!socket.readable || !socket.writable) {
      socket.destroy();
      return;
    }
    // What node:http had set is over; Duplex stands for sockets of its own, with or without TLS.
    (socket as Socket).setTimeout(0).setNoDelay();
    const key = request.headers["sec-websocket-key"] ?? "";
    socket.write(switchingProtocols(key, SUBPROTOCOL, this.#openingHeaders(opening)));
    const ws = new SocketLink(socket, head, "none");
    onWire({ ws, socket: socket as Duplex & { bytesRead?: number }, window: this.#window });
  }

  #tunnel(wire: Wire, session: string, { asked, askedAt, admission, pod }: Given): GatewayTunnel {
    const { userId, reservationId } = admission;
    const { node, port, remoteAddress, attempt } = asked;
    const about: TunnelAbout = { session, userId, reservationId, node, port, remoteAddress };
    const known = { session, user_id: userId, reservation_id: reservationId };
    const log = (fields: object, message: string) => this.#options.log({ ...known, ...fields }, message);
    log({ remote_address: remoteAddress, port }, "tunnel opened");
    return new GatewayTunnel({
      about,
      observer: this.#observer,
      askedAt,
      wire,
      attempt,
      pod,
      clock: this.#clock,
      recheckMs: this.#options.recheckMs ?? RECHECK_MS,
      detachMs: this.#detachMs,
      recheck: () => admission.recheck(),
      log,
    });
  }

  #openingHeaders({ session, received }: Opening): string[] {
    return [
      `${SESSION}: ${session}`,
      `${RECEIVED}: ${received}`,
      `${WINDOW}: ${this.#window}`,
      `${DETACH}: ${Math.floor(this.#detachMs / 1000)}`,
    ];
  }

  #refuse(socket: Duplex, error: unknown): void {
    const problem =
      error instanceof Problem ? error : new Problem("internal", "the gateway failed", { cause: error });
    refuseUpgrade(socket, problem, {
      log: this.#options.log,
      refused: (code) => this.#observer.refused(code),
    });
  }
}

const draining = (): Problem =>
  new Problem("draining", "the server is shutting down", { hint: "try again in a moment", retryAfter: 5 });

const unreachable = (port: number, cause: unknown): Problem =>
  new Problem("pod_unreachable", `port ${port} of the pod did not answer`, {
    hint: "try again in a few seconds",
    retryAfter: 2,
    cause,
  });
