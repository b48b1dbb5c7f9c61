/** Who is at the other end: of what proxies add, only those that are trusted are believed. */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** The address of whoever sent this request. */
export type ClientAddress = (request: IncomingMessage) => string;

/** "10.1.2.3", "10.0.0.0/8", "fd00::/8"; undefined for anything else. */
export function parseNetwork(
  text: string,
): { address: string; bits: number; family: "ipv4" | "ipv6" } | undefined {
  const [, address = "", given] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const version = isIP(address);
  const most = version === 4 ? 32 : 128;
  const bits = given === undefined ? most : Number(given);
  if (version === 0 || bits > most) return undefined;
  return { address, bits, family: version === 4 ? "ipv4" : "ipv6" };
}

/** `proxies` are networks as parseNetwork takes them. */
export function createClientAddress(proxies: readonly string[] = []): ClientAddress {
  const trusted = new BlockList();
  for (const proxy of proxies) {
    const network = parseNetwork(proxy);
    if (network) trusted.addSubnet(network.address, network.bits, network.family);
  }
  const isProxy = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && trusted.check(address, version === 4 ? "ipv4" : "ipv6");
  };
  return (request) => {
    // Each proxy appends who it heard from: read from its end, as long as those who wrote it are trusted.
    const chain = forwardedFor(request);
    let address = plain(request.socket.remoteAddress ?? "unknown");
    while (isProxy(address) && chain.length > 0) {
      const before = plain(chain.pop() ?? "");
      // What is no address was not written by a proxy as it should be: who it is about stays unknown.
      if (isIP(before) === 0) break;
      address = before;
    }
    return address;
  };
}

function forwardedFor({ headers }: IncomingMessage): string[] {
  const given = headers["x-forwarded-for"] ?? "";
  return String(given)
    .split(",")
    .map((each) => each.trim());
}

/** Sockets of IPv6 show IPv4 addresses as ::ffff:10.0.0.1; some proxies add the port. */
const plain = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
