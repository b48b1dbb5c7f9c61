/** The way to a server through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), and inside of it TLS where the URL asks for it. */
import type { ClientRequest, IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { type HttpProxy, portOf } from "../api/proxy.ts";
import { faultOf, PASSING, type Server, TunnelFailure } from "./failure.ts";
import { oneLine } from "./frames.ts";
import { requesterFor } from "./requester.ts";

/** What node:http takes to use a connection that is there. */
export interface Way {
  /** The connection to the proxy, to see its bytes and its address. */
  readonly raw: Socket;
  createConnection(): Socket;
}

/** Asks the server's proxy for a connection to it. Throws TunnelFailure; when `signal` aborts, its reason. */
export async function throughProxy(server: Server, proxy: HttpProxy, signal: AbortSignal): Promise<Way> {
  const target = new URL(server.url);
  const raw = await ask(proxy, target, signal);
  return { raw, createConnection: () => (target.protocol === "https:" ? secured(raw, target) : raw) };
}

function ask(proxy: HttpProxy, target: URL, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const request = connectRequest(proxy, authority(target), signal);
    request.on("connect", (response, socket: Socket, head) => {
      if (isAgreed(response)) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket.setNoDelay());
      } else {
        socket.destroy();
        reject(refused(response, proxy, target));
      }
    });
    request.on("error", (error) =>
      reject(signal.aborted ? signal.reason : unreachable(error, proxy, target)),
    );
    request.end();
  });
}

const isAgreed = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode < 300;

function connectRequest(proxy: HttpProxy, path: string, signal: AbortSignal): ClientRequest {
  const url = new URL(proxy.url);
  const login = proxy.authorization === undefined ? {} : { "proxy-authorization": proxy.authorization };
  const headers = { host: path, ...login };
  return requesterFor(url)(url, { method: "CONNECT", path, headers, agent: false, signal });
}

/** The host as a socket takes it: an IPv6 address has no brackets there. */
export const bare = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

const authority = (url: URL): string => `${url.hostname}:${portOf(url)}`;

function secured(socket: Socket, target: URL): Socket {
  const host = bare(target);
  return process
    .getBuiltinModule("node:tls")
    .connect({ socket, host, servername: isIP(host) ? "" : host, ALPNProtocols: ["http/1.1"] });
}

function unreachable(
  error: Error & { code?: string },
  { host, origin }: HttpProxy,
  target: URL,
): TunnelFailure {
  const code = error.code ?? "";
  const fault = faultOf(error);
  const text = {
    dns: `no address found for the proxy ${host} (${code}); check ${origin}`,
    tls: `TLS to the proxy ${host} failed: ${error.message} (${code}); for an authority of its own, set NODE_EXTRA_CA_CERTS`,
    unreachable: `the proxy ${host} cannot be reached (${code}); check ${origin}, or let NO_PROXY name ${target.hostname}`,
    other: `the proxy ${host} does not answer as one: ${error.message}; check ${origin}`,
  }[fault];
  const passing = fault === "dns" || fault === "unreachable";
  return new TunnelFailure(oneLine(text), { cause: error, prospect: { passing } });
}

function refused({ statusCode = 0, headers }: IncomingMessage, proxy: HttpProxy, target: URL): TunnelFailure {
  const { host, origin } = proxy;
  const text =
    statusCode === 407
      ? loginText(proxy, headers["proxy-authenticate"])
      : `the proxy ${host} answered HTTP ${statusCode} when asked for ${authority(target)}; ask who runs it, or let NO_PROXY (beside ${origin}) name ${target.hostname}`;
  return new TunnelFailure(oneLine(text), { prospect: { passing: PASSING.has(statusCode) } });
}

function loginText({ authorization, host, origin }: HttpProxy, kinds: string | string[] | undefined): string {
  if (authorization === undefined)
    return `the proxy ${host} wants a user and a password (HTTP 407); write them in ${origin}: http://USER:PASSWORD@HOST:PORT`;
  const takes = kinds === undefined ? "" : `; it takes ${[kinds].flat().join(", ")}`;
  return `the proxy ${host} does not accept the user and the password of ${origin} (HTTP 407${takes}); correct them there`;
}
