/** Brings each upgrade to a gateway: that of this process, or the one that its session's id names. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Problem } from "../api/errors.ts";
import { handOver, reach } from "./forward.ts";
import type { Gateway } from "./gateway.ts";
import { SESSION } from "./opening.ts";
import { type Refusals, refuseUpgrade } from "./refusal.ts";
import { readRequest, type TunnelRequest } from "./tunnel-request.ts";

/** The gateway of another process. */
export interface Peer {
  readonly name: string;
  /** The path of its socket. */
  readonly address: string;
  /** False when it takes back its own sessions only. */
  readonly open: boolean;
}

export interface RouterOptions extends Refusals {
  /** The gateway of this process; undefined when it has none. */
  readonly gateway: Gateway | undefined;
  /** Of this process. */
  readonly name: string;
  /** Throws Problem for a refusal: what is not allowed goes nowhere. */
  admit(request: TunnelRequest): Promise<unknown>;
  peers(): Promise<readonly Peer[]>;
}

export class Router {
  readonly #options: RouterOptions;
  readonly #forwarded = new Set<Duplex>();
  #closed = false;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** For the `upgrade` event of an http.Server; never throws. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { gateway, name } = this.#options;
    const session = request.headers[SESSION];
    if (gateway && (session === undefined || gatewayOf(String(session)) === name)) {
      gateway.handleUpgrade(request, socket, head);
      return;
    }
    socket.on("error", () => socket.destroy());
    this.#forward(request, socket, head).catch((error: unknown) => this.#refuse(socket, error));
  }

  /** Cuts what is handed to others: their clients come back by another way. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#forwarded) socket.destroy();
  }

  async #forward(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const asked = readRequest(request);
    await this.#options.admit(asked);
    for (const { address } of await this.#candidates(asked)) {
      const to = await reach(address);
      if (!to) continue;
      if (socket.destroyed || this.#closed) {
        to.destroy();
        throw nobody();
      }
      this.#forwarded.add(socket);
      socket.once("close", () => this.#forwarded.delete(socket));
      handOver(request, socket, head, to);
      return;
    }
    throw asked.resume ? gone() : nobody();
  }

  /** For a session the one gateway that has it, else all that take a new one, in a random order. */
  async #candidates({ resume }: TunnelRequest): Promise<readonly Peer[]> {
    const peers = await this.#options.peers();
    if (resume) return peers.filter((peer) => peer.name === gatewayOf(resume.session));
    const open = peers.filter((peer) => peer.open).map((peer) => ({ peer, at: Math.random() }));
    return open.toSorted((a, b) => a.at - b.at).map(({ peer }) => peer);
  }

  #refuse(socket: Duplex, error: unknown): void {
    refuseUpgrade(socket, error instanceof Problem ? error : unreachable(error), this.#options);
  }
}

const gatewayOf = (session: string): string => session.slice(0, Math.max(0, session.indexOf(".")));

const gone = (): Problem =>
  new Problem("session_gone", "the server process that held it has ended", { hint: "connect again" });

const nobody = (): Problem =>
  new Problem("draining", "no gateway takes new tunnels now", {
    hint: "try again in a moment",
    retryAfter: 2,
  });

const unreachable = (cause: unknown): Problem =>
  new Problem("unavailable", "the gateway that has the session cannot be reached now", {
    hint: "try again in a moment",
    retryAfter: 2,
    cause,
  });
