import { expect, test } from "vitest";
import { defaultDataDir, parseListen } from "../../src/server/config/config.ts";

const BEYOND = ["0.0.0.0:80", "[::]:80", "192.168.1.4:4780", "[::ffff:127.0.0.1]:1"];

test("X-06 without TLS the server listens on loopback only, and says why and what to do", () => {
  for (const listen of BEYOND)
    expect(() => parseListen(listen)).toThrow(
      /without TLS it listens on loopback only, .*; set tls_cert and tls_key .* behind_proxy .* use 127\.0\.0\.1:/,
    );
  // Looks like loopback, but is a name that anybody can register.
  for (const name of ["127.evil.example:80", "example.org:1"])
    expect(() => parseListen(name, { tls: { cert: "c", key: "k" } })).toThrow(/expected an IP address/);
});

test("X-06 with TLS, or behind a proxy that ends it, it listens where it is told to", () => {
  for (const listen of BEYOND) {
    expect(parseListen(listen, { tls: { cert: "c", key: "k" } }).host).not.toBe("127.0.0.1");
    expect(parseListen(listen, { behindProxy: ["10.0.0.5"] })).toEqual(
      parseListen(listen, { tls: { cert: "c", key: "k" } }),
    );
  }
});

test("loopback addresses are accepted in every form", () => {
  expect(parseListen("127.0.0.1:4780")).toEqual({ host: "127.0.0.1", port: 4780 });
  expect(parseListen("127.8.9.10:0")).toEqual({ host: "127.8.9.10", port: 0 });
  expect(parseListen("[::1]:0")).toEqual({ host: "::1", port: 0 });
  expect(parseListen("LocalHost:65535")).toEqual({ host: "127.0.0.1", port: 65_535 });
});

test("an address in another form is refused with the form", () => {
  for (const listen of [
    "",
    "4780",
    ":4780",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "::1:80",
    "a:b",
    "h:1:2",
  ])
    expect(() => parseListen(listen)).toThrow(/expected HOST:PORT, such as 127\.0\.0\.1:4780/);
});

test("the data directory follows XDG", () => {
  expect(defaultDataDir({}, "/h")).toBe("/h/.local/share/gpu-dev");
  expect(defaultDataDir({ XDG_DATA_HOME: "/x" }, "/h")).toBe("/x/gpu-dev");
});
