/** Opening a WebSocket (RFC 6455, section 4), at both ends. */
import type { IncomingHttpHeaders } from "node:http";

/** Section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

const acceptFor = (key: string): string =>
  crypto().createHash("sha1").update(`${key}${GUID}`).digest("base64");

/** Loaded when it is needed: a seventh of the ssh-proxy's way to its first dial. */
const crypto = () => process.getBuiltinModule("node:crypto");

/** Section 4.1 wants 16 random bytes; they are no secret, and only show that an answer is for this very request. */
const newKey = (): string =>
  Buffer.from(Array.from({ length: 16 }, () => Math.floor(Math.random() * 256))).toString("base64");

/** What a client sends beside its own headers, and whether an answer's headers fit it. */
export function newHandshake(protocol: string) {
  const key = newKey();
  // While the answer is on its way.
  setImmediate(crypto);
  return {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": key,
      "sec-websocket-protocol": protocol,
    },
    /** An answer that names an extension is wrong, since none was asked for. */
    isAnsweredBy: (headers: IncomingHttpHeaders): boolean =>
      headers.upgrade?.toLowerCase() === "websocket" &&
      headers["sec-websocket-accept"] === acceptFor(key) &&
      headers["sec-websocket-protocol"] === protocol &&
      headers["sec-websocket-extensions"] === undefined,
  };
}

/** What is wrong with a client's headers, by header; a protocol is checked by whoever knows it. */
export function handshakeFaults(headers: IncomingHttpHeaders): [header: string, detail: string][] {
  const faults: [string, string][] = [];
  if (headers.upgrade?.toLowerCase() !== "websocket") faults.push(["upgrade", "must be websocket"]);
  if (headers["sec-websocket-version"] !== "13") faults.push(["sec-websocket-version", "must be 13"]);
  if (!KEY.test(headers["sec-websocket-key"] ?? "")) faults.push(["sec-websocket-key", "not a key"]);
  return faults;
}

/** The 101 that answers a client's `key`, with more headers of ours. */
export function switchingProtocols(key: string, protocol: string, headers: readonly string[]): string {
  return [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${acceptFor(key)}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
    ...headers,
    "\r\n",
  ].join("\r\n");
}
