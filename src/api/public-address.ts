/** Which addresses belong to the public internet (IANA's special-purpose registries): no others are dialled for users. */
import { BlockList, isIP } from "node:net";

const NOT_PUBLIC_4 = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // Link-local, where clouds keep the credentials of a machine.
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
  // A cloud's own service to its machines, on an address that looks public.
  ["168.63.129.16", 32],
] as const;
/** Within 2000::/3: what tunnels to IPv4 addresses, is for protocols, or for documentation. */
const NOT_PUBLIC_6 = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const;

const special = new BlockList();
for (const [net, bits] of NOT_PUBLIC_4) special.addSubnet(net, bits, "ipv4");
for (const [net, bits] of NOT_PUBLIC_6) special.addSubnet(net, bits, "ipv6");
const unicast = new BlockList();
unicast.addSubnet("2000::", 3, "ipv6");

/** Whether this IP address is a public one; of IPv6 only global unicast is, which no IPv4 address in disguise is. */
export function isPublic(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !special.check(address, "ipv4");
  // Who has a zone is not global.
  if (family !== 6 || address.includes("%")) return false;
  return unicast.check(address, "ipv6") && !special.check(address, "ipv6");
}
