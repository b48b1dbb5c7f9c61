/** Opens the WebSocket of a tunnel. */
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import type { Socket } from "node:net";
import { BlockSocket } from "../api/block-socket.ts";
import { isThisMachine, portOf } from "../api/proxy.ts";
import type { Clock } from "./clock.ts";
import { networkFailure, noAnswer, refusalFailure, type Server, TunnelFailure } from "./failure.ts";
import {
  ATTEMPT,
  DEFAULT_DETACH_MS,
  DETACH,
  MAX_WINDOW,
  MIN_WINDOW,
  RECEIVED,
  SESSION,
  SUBPROTOCOL,
  WINDOW,
  wholeNumber,
} from "./opening.ts";
import type { Wire } from "./pipe.ts";
import { requesterFor } from "./requester.ts";
import { bare, throughProxy, type Way } from "./through-proxy.ts";
import type { Trace } from "./trace.ts";
import { newHandshake } from "./websocket/handshake.ts";
import { type Masking, SocketLink } from "./websocket/link.ts";

/** No gateway keeps a session for longer; a timer could not wait for much more. */
const MAX_DETACH_S = 24 * 3600;

export interface PodPort {
  readonly reservation: string;
  readonly node: number;
  readonly port: number;
}

export interface Dial {
  readonly server: Server;
  readonly to: PodPort;
  readonly attempt: number;
  /** The session to go on with, and the bytes received of it; undefined for a new one. */
  readonly resume: { readonly session: string; readonly received: number } | undefined;
  readonly clock: Clock;
  readonly limitMs: number;
  readonly trace: Trace | undefined;
  /** Called in the turn in which the WebSocket opens. */
  readonly onOpen: (opened: Opened) => void;
}

/** What the gateway's 101 says. */
export interface Opened {
  readonly wire: Wire;
  readonly session: string;
  /** Bytes that the gateway has of our stream. */
  readonly received: number;
  /** How long the gateway keeps the session when the connection breaks. */
  readonly detachMs: number;
  /** The gateway's, with its port if that is not the usual one. */
  readonly host: string;
}

/** Resolves once the WebSocket is open. Rejects with TunnelFailure when it does not open, also when `signal` aborts it. */
export async function dial(options: Dial, signal: AbortSignal): Promise<void> {
  const { server, clock, limitMs, trace } = options;
  signal.throwIfAborted();
  trace?.("dial", {
    attempt: options.attempt,
    host: new URL(server.url).host,
    url_from: server.origin,
    proxy: server.proxy?.host,
    has_token: server.token !== undefined,
    ...options.to,
    ...options.resume,
  });
  const over = new AbortController();
  const abort = (): void =>
    over.abort(new TunnelFailure("interrupted while connecting", { prospect: { passing: true } }));
  signal.addEventListener("abort", abort);
  const cancel = clock.after(limitMs, () => over.abort(networkFailure(noAnswer(), server)));
  try {
    const way = server.proxy && (await throughProxy(server, server.proxy, over.signal));
    if (way) trace?.("proxy-connected");
    await openWebSocket(options, way, over.signal);
  } finally {
    signal.removeEventListener("abort", abort);
    cancel();
  }
}

function openWebSocket(options: Dial, way: Way | undefined, signal: AbortSignal): Promise<void> {
  const { server } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const handshake = newHandshake(SUBPROTOCOL);
  const request = ask(options, handshake.headers, way);
  const fail = (failure: TunnelFailure): void => {
    reject(failure);
    request.destroy();
  };
  if (options.trace) tracePhases(request, options.trace);
  request.on("upgrade", (response, socket: Socket, head) => {
    traceAnswer(options, response);
    const opening = handshake.isAnsweredBy(response.headers) && readOpening(response, options);
    if (!opening) {
      socket.destroy();
      return fail(networkFailure(new Error("its answer lacks what a tunnel needs"), server));
    }
    const ws = new SocketLink(socket.setTimeout(0).setNoDelay(), head, maskingFor(new URL(server.url)));
    const { window, ...opened } = opening;
    options.onOpen({
      ...opened,
      wire: { ws, socket: way?.raw ?? socket, window },
      host: new URL(server.url).host,
    });
    resolve();
  });
  request.on("response", (response) => {
    traceAnswer(options, response);
    void refusalFailure(response, server).then(fail, reject);
  });
  request.on("error", (error) => reject(networkFailure(error, server)));
  signal.addEventListener("abort", () => fail(signal.reason as TunnelFailure));
  request.end();
  return promise;
}

function ask({ server, to, attempt, resume }: Dial, handshake: object, way: Way | undefined): ClientRequest {
  const { reservation, node, port } = to;
  const url = new URL(`${server.url}/v1/tunnel/${reservation}?port=${port}&node=${node}`);
  const headers = {
    ...handshake,
    [ATTEMPT]: String(attempt),
    ...(resume ? { [SESSION]: resume.session, [RECEIVED]: String(resume.received) } : {}),
    ...(server.token === undefined ? {} : { authorization: `Bearer ${server.token}` }),
  };
  return requesterFor(url)(url, { headers, ...connection(url, way) });
}

/** One of its own: an agent would keep it. What TLS reads comes in pieces of 16 KiB anyway. */
function connection(url: URL, way: Way | undefined): RequestOptions {
  if (way) return { createConnection: way.createConnection };
  if (url.protocol === "https:") return { agent: false };
  const socket = new BlockSocket({ noDelay: true });
  return { createConnection: () => socket.connect(Number(portOf(url)), bare(url)) };
}

function tracePhases(request: ClientRequest, trace: Trace): void {
  request.on("socket", (socket) => {
    socket.on("lookup", (_error, address: string) => trace("name-found", { address }));
    socket.on("connect", () => trace("connected", { from: socket.localAddress, to: socket.remoteAddress }));
    socket.on("secureConnect", () => trace("tls"));
  });
}

function traceAnswer({ trace }: Dial, { statusCode, headers }: IncomingMessage): void {
  trace?.("answer", {
    status: statusCode,
    session: String(headers[SESSION] ?? ""),
    received: String(headers[RECEIVED] ?? ""),
    window: String(headers[WINDOW] ?? ""),
    retry_after: headers["retry-after"],
  });
}

/**
 * Masking protects naive proxies from hostile scripts in browsers. This is no browser, and through TLS or on loopback
 * nothing in between can read the bytes: the mask would only cost half of the throughput.
 */
const maskingFor = ({ protocol, hostname }: URL): Masking =>
  protocol === "https:" || isThisMachine(hostname) ? "zero" : "random";

/** Undefined for what is no answer: a new session begins at 0, an old one keeps its name. */
function readOpening({ headers }: IncomingMessage, { resume }: Dial) {
  const session = headers[SESSION];
  const window = wholeNumber(String(headers[WINDOW])) ?? 0;
  const received = wholeNumber(String(headers[RECEIVED]));
  if (typeof session !== "string" || received === undefined) return undefined;
  if (resume === undefined ? received > 0 : session !== resume.session) return undefined;
  if (window < MIN_WINDOW || window > MAX_WINDOW) return undefined;
  const detachS = wholeNumber(String(headers[DETACH]));
  const detachMs = detachS === undefined ? DEFAULT_DETACH_MS : Math.min(detachS, MAX_DETACH_S) * 1000;
  return { session, received, window, detachMs };
}
