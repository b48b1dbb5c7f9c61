/**
 * Hands an upgrade from the process that got it to the one whose gateway holds its session: the same request, and then all
 * bytes of both directions, over a Unix socket. Only servers can open that: what comes through it is believed, and the user's
 * token, which goes with the request, reaches nobody else. What arrived there is never handed on again.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** The client's address, told by one server to another. */
const REMOTE = "gpu-dev-remote-address";
const REACH_MS = 5_000;
/** What is in hand may take so long to be written when the other side is closed. */
const FLUSH_MS = 10_000;

type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Takes the upgrades that other servers hand over, at the socket `path`; the answer stops that. */
export async function listenForForwarded(path: string, onUpgrade: OnUpgrade): Promise<() => void> {
  const server = createServer((_, response) => response.writeHead(404, { connection: "close" }).end());
  server.on("upgrade", (request, socket, head) => {
    const address = request.headers[REMOTE];
    // Whoever asks this socket where it comes from wants to know about the client.
    if (typeof address === "string" && isIP(address) > 0)
      Object.defineProperty(request.socket, "remoteAddress", { value: address });
    onUpgrade(request, socket, head);
  });
  server.listen(path);
  await once(server, "listening");
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

/** Connects to a server's socket; undefined when nobody listens there. Throws when it does not answer. */
export async function reach(path: string): Promise<Socket | undefined> {
  const socket = connect({ path, allowHalfOpen: true });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(REACH_MS) });
    return socket;
  } catch (cause) {
    socket.destroy();
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED" || code === "ENOENT") return undefined;
    throw new Error("another server does not answer", { cause });
  }
}

/** Sends the request on through `to`, then the bytes each way, each as fast as the other side takes them. */
export function handOver(request: IncomingMessage, from: Duplex, head: Buffer, to: Socket): void {
  to.write(requestText(request));
  if (head.length > 0) to.write(head);
  pass(from, to);
  pass(to, from);
}

function pass(from: Duplex, to: Duplex): void {
  from.pipe(to);
  from.on("error", () => from.destroy());
  from.once("close", () => {
    // A break is passed on as it is; after an end there may be bytes on their way.
    if (!from.readableEnded) to.destroy();
    else closeWhenWritten(to);
  });
}

function closeWhenWritten(stream: Duplex): void {
  if (stream.writableFinished) stream.destroy();
  if (stream.destroyed) return;
  const late = setTimeout(() => stream.destroy(), FLUSH_MS);
  stream.once("finish", () => stream.destroy());
  stream.once("close", () => clearTimeout(late));
}

/** The head of the request as it came, but for the address: that is not for the client to say. */
function requestText({ method, url, rawHeaders, socket }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    if (rawHeaders[i]?.toLowerCase() !== REMOTE) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  if (socket.remoteAddress !== undefined) lines.push(`${REMOTE}: ${socket.remoteAddress}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
