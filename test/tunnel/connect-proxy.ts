/** A real HTTP proxy that understands CONNECT: it stands for a company's one. Every name leads to 127.0.0.1. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type Socket } from "node:net";
import type { Certificates } from "../helpers/certificates.ts";
import { listen } from "./scene.ts";

export interface ConnectProxy {
  readonly url: string;
  /** What was asked for by CONNECT, in order: "gpu.test:443". */
  readonly asked: string[];
  /** Bytes that servers sent to clients. */
  down: number;
}

export interface ConnectProxyOptions {
  /** TLS to the proxy itself. */
  readonly tls?: Certificates;
  /** "user:password"; without it everybody is let through. */
  readonly login?: string;
  /** What it answers to every CONNECT. */
  readonly status?: number;
}

/** Starts one; it is closed after the test. */
export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const server: Server = options.tls ? createTlsServer(options.tls) : createServer();
  const proxy = { url: "", asked: [] as string[], down: 0 };
  server.on("connect", (request, socket: Socket) => {
    proxy.asked.push(request.url ?? "");
    socket.on("error", () => socket.destroy());
    const status = statusFor(request, options);
    if (status === 200) join(proxy, request.url ?? "", socket);
    else socket.end(`HTTP/1.1 ${status} No\r\nProxy-Authenticate: Basic realm="test"\r\n\r\nsome page`);
  });
  const port = await listen(server);
  proxy.url = options.tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  return proxy;
}

function statusFor({ headers }: IncomingMessage, { login, status = 200 }: ConnectProxyOptions): number {
  const wanted = login === undefined ? undefined : `Basic ${Buffer.from(login).toString("base64")}`;
  return wanted !== undefined && headers["proxy-authorization"] !== wanted ? 407 : status;
}

function join(proxy: ConnectProxy, target: string, socket: Socket): void {
  const onward = connect({ port: Number(target.split(":").at(-1)), host: "127.0.0.1", noDelay: true });
  onward.on("connect", () => socket.write("HTTP/1.1 200 Connection established\r\n\r\n"));
  onward.on("data", (data: Buffer) => {
    proxy.down += data.length;
    if (!socket.write(data)) onward.pause();
  });
  socket.on("drain", () => onward.resume()).pipe(onward);
  onward.on("error", () => socket.destroy()).on("close", () => socket.destroy());
  socket.on("close", () => onward.destroy());
}
