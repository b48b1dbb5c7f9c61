/** Opens the WebSocket of a tunnel. */
import type { ClientRequest, IncomingMessage } from "node:http";
import { type ClientOptions, WebSocket } from "ws";
import type { Clock } from "./clock.ts";
import { networkFailure, noAnswer, refusalFailure, type Server, TunnelFailure } from "./failure.ts";
import {
  ATTEMPT,
  MAX_PAYLOAD,
  MAX_WINDOW,
  MIN_WINDOW,
  RECEIVED,
  SESSION,
  SUBPROTOCOL,
  WINDOW,
  wholeNumber,
} from "./opening.ts";
import type { Wire } from "./pipe.ts";
import { throughProxy, type Way } from "./through-proxy.ts";
import type { Trace } from "./trace.ts";

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
  const ws = connect(options, way);
  const fail = (failure: TunnelFailure): void => {
    reject(failure);
    ws.terminate();
  };
  let opened: Opened | undefined;
  ws.on("upgrade", (response) => {
    traceAnswer(options, response);
    opened = readOpening(ws, response, options, way);
    if (!opened) fail(networkFailure(new Error("its answer lacks what a tunnel needs"), server));
  });
  ws.on("unexpected-response", (_, response) => {
    traceAnswer(options, response);
    void refusalFailure(response, server).then(fail, reject);
  });
  ws.on("error", (error) => reject(networkFailure(error, server)));
  ws.on("open", () => {
    if (opened) options.onOpen(opened);
    resolve();
  });
  signal.addEventListener("abort", () => fail(signal.reason as TunnelFailure));
  return promise;
}

function connect({ server, to, attempt, resume, trace }: Dial, way: Way | undefined): WebSocket {
  const { reservation, node, port } = to;
  const url = `${server.url.replace(/^http/, "ws")}/v1/tunnel/${reservation}?port=${port}&node=${node}`;
  const options: ClientOptions = {
    headers: {
      [ATTEMPT]: String(attempt),
      ...(resume ? { [SESSION]: resume.session, [RECEIVED]: String(resume.received) } : {}),
      ...(server.token === undefined ? {} : { authorization: `Bearer ${server.token}` }),
    },
    followRedirects: false,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD,
    ...(way === undefined ? {} : { createConnection: way.createConnection }),
    ...(trace && { finishRequest: (request) => tracePhases(request, trace) }),
  };
  if (maskIsUseless(new URL(server.url))) options.generateMask = zeroMask;
  return new WebSocket(url, SUBPROTOCOL, options);
}

function tracePhases(request: ClientRequest, trace: Trace): void {
  request.on("socket", (socket) => {
    socket.on("lookup", (_error, address: string) => trace("name-found", { address }));
    socket.on("connect", () => trace("connected", { from: socket.localAddress, to: socket.remoteAddress }));
    socket.on("secureConnect", () => trace("tls"));
  });
  request.end();
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
function maskIsUseless({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

const zeroMask = (mask: Buffer): void => {
  mask.fill(0);
};

/** Undefined for what is no answer: a new session begins at 0, an old one keeps its name. */
function readOpening(
  ws: WebSocket,
  { headers, socket }: IncomingMessage,
  { server, resume }: Dial,
  way: Way | undefined,
): Opened | undefined {
  const session = headers[SESSION];
  const window = wholeNumber(String(headers[WINDOW])) ?? 0;
  const received = wholeNumber(String(headers[RECEIVED]));
  if (typeof session !== "string" || received === undefined) return undefined;
  if (resume === undefined ? received > 0 : session !== resume.session) return undefined;
  if (window < MIN_WINDOW || window > MAX_WINDOW) return undefined;
  return {
    wire: { ws, socket: way?.raw ?? socket, window },
    session,
    received,
    host: new URL(server.url).host,
  };
}
