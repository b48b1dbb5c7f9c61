/** Opens the WebSocket of a tunnel. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type ClientOptions, WebSocket } from "ws";
import { networkFailure, refusalFailure, type Server, TunnelFailure } from "./failure.ts";
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

/** The gateway has 10 s to reach the pod. */
const HANDSHAKE_MS = 20_000;

export interface PodPort {
  readonly reservation: string;
  readonly node: number;
  readonly port: number;
}

/**
 * Calls `onOpen` in the turn in which the WebSocket opens. Rejects with TunnelFailure when it does not, also when
 * `signal` aborts it.
 */
export function dial(
  server: Server,
  to: PodPort,
  onOpen: (wire: Wire) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const ws = connect(server, to);
    const fail = (failure: TunnelFailure): void => {
      reject(failure);
      ws.terminate();
    };
    let opening: { socket: Socket; window: number } | undefined;
    ws.on("upgrade", (response) => {
      opening = readOpening(response);
      if (!opening) fail(networkFailure(new Error("its answer lacks what a tunnel needs"), server));
    });
    ws.on("unexpected-response", (_, response) => void refusalFailure(response, server).then(fail, reject));
    ws.on("error", (error) => reject(networkFailure(error, server)));
    ws.on("open", () => {
      if (opening) onOpen({ ws, ...opening });
      resolve();
    });
    signal.addEventListener("abort", () => fail(new TunnelFailure("interrupted while connecting")));
  });
}

function connect(server: Server, { reservation, node, port }: PodPort): WebSocket {
  const url = `${server.url.replace(/^http/, "ws")}/v1/tunnel/${reservation}?port=${port}&node=${node}`;
  const options: ClientOptions = {
    headers: {
      [ATTEMPT]: "1",
      ...(server.token === undefined ? {} : { authorization: `Bearer ${server.token}` }),
    },
    handshakeTimeout: HANDSHAKE_MS,
    followRedirects: false,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD,
  };
  if (maskIsUseless(new URL(server.url))) options.generateMask = zeroMask;
  return new WebSocket(url, SUBPROTOCOL, options);
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

function readOpening(response: IncomingMessage): { socket: Socket; window: number } | undefined {
  const { headers, socket } = response;
  const window = wholeNumber(String(headers[WINDOW])) ?? 0;
  const known = headers[SESSION] !== undefined && headers[RECEIVED] === "0";
  return known && window >= MIN_WINDOW && window <= MAX_WINDOW ? { socket, window } : undefined;
}
