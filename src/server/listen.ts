/** The HTTP server around the app: limits, and problem documents also for what never becomes a request. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { getRequestListener, RequestError } from "@hono/node-server";
import type { Hono } from "hono";
import { ERRORS, type ErrorCode, Problem } from "../api/errors.ts";
import { Arrivals } from "./arrivals.ts";
import type { AppEnv } from "./bind.ts";
import type { Certificate } from "./certificate.ts";
import { StartError } from "./config/config.ts";
import { problemHeaders, toProblem } from "./problems.ts";

/** Bytes of the request line and all headers. */
const HEADER_LIMIT = 16 * 1024;
const PATIENCE_MS = 10_000;
/** Longer than the 60 s that load balancers keep an idle connection, so that they close first. */
const KEEP_ALIVE_MS = 65_000;
/** Connections that may wait to be accepted: bursts of hundreds are normal after a restart. */
const BACKLOG = 1024;
const BIND_POLL_MS = 20;

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly app: Hono<AppEnv>;
  /** True for the requests that `upgrade` is to get; the rest goes to the app, whatever it asks to upgrade to. */
  readonly isTunnel: (url: string) => boolean;
  readonly upgrade: Upgrade;
  /** What it shows; without one it speaks plain HTTP. */
  readonly certificate?: Certificate | undefined;
  /** How long a TLS handshake, and then the headers, may take; the whole request may take three times as long. */
  readonly patienceMs?: number;
  /** How long an address that is taken is waited for; default: not at all. */
  readonly takeOverMs?: number;
}

/** Requests in hand get this long at the end. */
const FINISH_MS = 1000;

export interface Listening {
  readonly url: string;
  /** Accepts no more connections and closes the idle ones; requests in hand go on. */
  stop(): void;
  /** Stops, and resolves when no request is left; those that are not done in time are cut. Tunnels go on. */
  close(): Promise<void>;
}

/** Listens. Throws StartError when the address cannot be had. */
export async function listen(options: ListenOptions): Promise<Listening> {
  const server = openServer(options, requestListener(options));
  // An expectation that is not known may be ignored (RFC 9110, 10.1.1); node's own 417 would be no problem document.
  server.on("checkExpectation", requestListener(options));
  const requests = watchRequests(server);
  server.on("upgrade", (request, socket, head) => {
    requests.leave(request.socket);
    options.upgrade(request, socket, head);
  });
  const arrivals = new Arrivals(server);
  const { patienceMs = PATIENCE_MS } = options;
  server.on("clientError", async (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === LATE && (await arrivals.isWhole(socket, patienceMs))) return;
    answerClientError(error, socket);
  });
  await bind(server, options);
  const { address, family, port } = server.address() as AddressInfo;
  return {
    url: `${options.certificate ? "https" : "http"}://${hostOf(address, family)}:${port}`,
    ...closing(server, requests),
  };
}

/** As a URL has it; an address that means all of them is reached by loopback. */
function hostOf(address: string, family: string): string {
  if (family !== "IPv6") return address === "0.0.0.0" ? "127.0.0.1" : address;
  return `[${address === "::" ? "::1" : address}]`;
}

/** A new certificate is shown to connections that come from then on; those that are there go on. */
function openServer(options: ListenOptions, listener: RequestListener): Server {
  const { certificate, patienceMs = PATIENCE_MS } = options;
  const limits = {
    noDelay: true,
    maxHeaderSize: HEADER_LIMIT,
    headersTimeout: patienceMs,
    requestTimeout: 3 * patienceMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: patienceMs / 2,
    // Node answers a missing Host with an empty 400; the app does not need the header.
    requireHostHeader: false,
    shouldUpgradeCallback: (request: IncomingMessage) => options.isTunnel(request.url ?? ""),
  };
  if (!certificate) return createServer(limits, listener);
  const { cert, key } = certificate.pair;
  const server = createTlsServer({ ...limits, cert, key, handshakeTimeout: patienceMs }, listener);
  certificate.onNew((pair) => server.setSecureContext({ cert: pair.cert, key: pair.key }));
  return server;
}

interface Requests {
  /** The connection carries a tunnel now: its end is not waited for here. */
  leave(socket: Socket): void;
  /** Resolves when no connection is there for requests; none may come any more. */
  gone(): Promise<unknown>;
  /** Ends what is there, in the middle of a request or of a handshake. */
  cut(): void;
}

function watchRequests(server: Server): Requests {
  const there = new Map<string, { readonly socket: Socket; readonly left: PromiseWithResolvers<void> }>();
  const leave = (peer: string): void => {
    there.get(peer)?.left.resolve();
    there.delete(peer);
  };
  server.on("connection", (socket: Socket) => {
    const peer = peerOf(socket);
    there.set(peer, { socket, left: Promise.withResolvers() });
    socket.once("close", () => {
      if (there.get(peer)?.socket === socket) leave(peer);
    });
  });
  return {
    leave: (socket) => leave(peerOf(socket)),
    gone: () => Promise.all([...there.values()].map(({ left }) => left.promise)),
    cut() {
      for (const { socket } of there.values()) socket.destroy();
    },
  };
}

/** What a connection and the TLS inside of it have in common; they are two sockets. */
const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function closing(server: Server, requests: Requests): Pick<Listening, "stop" | "close"> {
  const stop = () => {
    server.close();
    server.closeIdleConnections();
  };
  return {
    stop,
    async close() {
      stop();
      const timer = setTimeout(() => requests.cut(), FINISH_MS);
      await requests.gone();
      clearTimeout(timer);
    },
  };
}

const requestListener = ({ app }: ListenOptions) =>
  getRequestListener(app.fetch, { hostname: "localhost", errorHandler: answerOutsideApp });

/** What never came to the app because it is no valid request, or what not even the app's error handler took. */
function answerOutsideApp(cause: unknown): Response {
  const problem =
    cause instanceof RequestError
      ? new Problem("invalid_input", "the request line or the Host header is not valid", { cause })
      : toProblem(cause);
  return new Response(JSON.stringify(problem.document()), {
    status: problem.status,
    headers: problemHeaders(problem),
  });
}

async function bind(server: Server, { host, port, takeOverMs = 0 }: ListenOptions): Promise<void> {
  const until = performance.now() + takeOverMs;
  for (let cause = await tryBind(server, host, port); cause; cause = await tryBind(server, host, port)) {
    const { code } = cause;
    if (code === "EADDRINUSE" && performance.now() < until) {
      await pause(BIND_POLL_MS);
      continue;
    }
    const taken = `${host}:${port} is in use; stop what listens there or choose another with --listen HOST:PORT`;
    const text = code === "EADDRINUSE" ? taken : `cannot listen on ${host}:${port} (${code}); see --listen`;
    throw new StartError(text, { cause });
  }
}

/** Why it cannot listen there; undefined when it does. */
async function tryBind(
  server: Server,
  host: string,
  port: number,
): Promise<NodeJS.ErrnoException | undefined> {
  const listening = once(server, "listening");
  server.listen({ host, port, backlog: BACKLOG });
  try {
    await listening;
    return undefined;
  } catch (cause) {
    return cause as NodeJS.ErrnoException;
  }
}

/** What the HTTP parser refused, in the words of the contract; a connection that broke gets none. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket | Duplex): void {
  // A handshake that failed has nobody to talk to: what comes from the HTTP parser has codes of its own.
  if (!/^(?:HPE|ERR_HTTP)_/.test(error.code ?? "") || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, detail] = CLIENT_ERRORS[error.code ?? ""] ?? NOT_HTTP;
  socket.end(rawProblem(new Problem(code, detail)), () => socket.destroy());
}

const LATE = "ERR_HTTP_REQUEST_TIMEOUT";
const NOT_HTTP = ["invalid_input", "this is not a valid HTTP/1.1 request"] as const;
const CLIENT_ERRORS: Record<string, readonly [ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: [
    "headers_too_large",
    `the request line and the headers have more than ${HEADER_LIMIT / 1024} KiB`,
  ],
  [LATE]: ["request_timeout", "the request did not arrive in time"],
};

/** A problem as a whole HTTP answer, for a socket that has no response object. */
export function rawProblem(problem: Problem): string {
  const body = JSON.stringify(problem.document());
  const headers = {
    ...problemHeaders(problem),
    "content-length": Buffer.byteLength(body),
    connection: "close",
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${problem.status} ${ERRORS[problem.code].title}\r\n${head.join("")}\r\n${body}`;
}
