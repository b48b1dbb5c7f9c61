import { expect, test } from "vitest";
import { defaultDataDir, parseListen } from "../../src/server/config/config.ts";

test("X-06 the server listens on loopback only, and says why and what to do", () => {
  for (const listen of ["0.0.0.0:80", "[::]:80", "192.168.1.4:4780", "example.org:1", "[::ffff:127.0.0.1]:1"])
    expect(() => parseListen(listen)).toThrow(
      /no TLS yet, so it listens on loopback only .* use 127\.0\.0\.1:/,
    );
  // Looks like loopback, but is a name that anybody can register.
  expect(() => parseListen("127.evil.example:80")).toThrow(/loopback only/);
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
