/** Who a request comes from, behind proxies and without. */
import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { createClientAddress, parseNetwork } from "../../src/server/client-address.ts";

const from = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded },
  }) as unknown as IncomingMessage;

test("X-06 what a client says of itself is not believed: only trusted proxies are", () => {
  const direct = createClientAddress();
  expect(direct(from("203.0.113.7", "1.1.1.1"))).toBe("203.0.113.7");
  const address = createClientAddress(["10.0.0.0/8", "fd00::/8"]);
  expect(address(from("203.0.113.7", "1.1.1.1"))).toBe("203.0.113.7");
  expect(address(from("10.0.0.1"))).toBe("10.0.0.1");
  expect(address(from("10.0.0.1", "203.0.113.7"))).toBe("203.0.113.7");
  // What the client had written itself stands before what the proxy wrote.
  expect(address(from("10.0.0.1", "1.1.1.1, 203.0.113.7"))).toBe("203.0.113.7");
  expect(address(from("10.0.0.1", "203.0.113.7, 10.9.9.9"))).toBe("203.0.113.7");
  expect(address(from("fd00::1", "2001:db8::7"))).toBe("2001:db8::7");
  expect(address(from("::ffff:10.0.0.1", "203.0.113.7:5123"))).toBe("203.0.113.7");
  expect(address(from("10.0.0.1", "10.0.0.2"))).toBe("10.0.0.2");
  for (const nonsense of ["", "unknown", "localhost", "10.0.0.300", "'; drop table audit"])
    expect(address(from("10.0.0.1", nonsense))).toBe("10.0.0.1");
});

test("a network is an address, or an address with a number of bits", () => {
  expect(parseNetwork("10.1.2.3")).toEqual({ address: "10.1.2.3", bits: 32, family: "ipv4" });
  expect(parseNetwork("10.0.0.0/8")).toEqual({ address: "10.0.0.0", bits: 8, family: "ipv4" });
  expect(parseNetwork("fd00::/8")).toEqual({ address: "fd00::", bits: 8, family: "ipv6" });
  for (const bad of ["", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "proxy.example.com", "10.0.0.0/", "*"])
    expect(parseNetwork(bad)).toBeUndefined();
});
