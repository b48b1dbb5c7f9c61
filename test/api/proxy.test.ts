import { expect, test } from "vitest";
import { proxyFor } from "../../src/api/proxy.ts";

test.each([
  [{}, "https://a.test", undefined],
  [{ HTTPS_PROXY: "http://p:1" }, "https://a.test", "http://p:1"],
  [{ https_proxy: "http://q:1", HTTPS_PROXY: "http://p:1" }, "https://a.test", "http://q:1"],
  [{ https_proxy: "", HTTPS_PROXY: "http://p:1" }, "https://a.test", "http://p:1"],
  [{ HTTPS_PROXY: "http://p:1" }, "http://a.test", undefined],
  [{ HTTP_PROXY: "http://p:1" }, "http://a.test", "http://p:1"],
  [{ http_proxy: "p:3128" }, "http://a.test", "http://p:3128"],
  [{ HTTP_PROXY: "https://p" }, "https://a.test", "https://p"],
  [{ HTTPS_PROXY: "http://s:1", HTTP_PROXY: "http://p:1" }, "https://a.test", "http://s:1"],
  [{ HTTP_PROXY: "http://p:1" }, "http://127.0.0.1:4780", undefined],
  [{ HTTP_PROXY: "http://p:1" }, "http://localhost:4780", undefined],
  [{ HTTPS_PROXY: "http://p:1" }, "https://[::1]:1", undefined],
])("T-17 with %j the proxy of %s is %s", (env, url, proxy) => {
  expect(proxyFor(env, url)?.url).toBe(proxy);
});

test.each([
  ["a.test", true],
  ["A.Test", true],
  [".test", true],
  ["*.test", true],
  ["other.test, a.test", true],
  ["other.test a.test", true],
  ["a.test:443", true],
  ["a.test:444", false],
  ["test", true],
  ["est", false],
  ["b.a.test", false],
  ["*", true],
  ["", false],
])("T-17 NO_PROXY=%s excepts a.test: %s", (word, excepted) => {
  const env = { HTTPS_PROXY: "http://p:1", NO_PROXY: word };
  expect(proxyFor(env, "https://a.test") === undefined).toBe(excepted);
});

test.each([
  ["10.1.2.3", "https://10.1.2.3", true],
  ["10.0.0.0/8", "https://10.1.2.3", true],
  ["10.0.0.0/16", "https://10.1.2.3", false],
  ["2.3", "https://10.1.2.3", false],
  ["fd00::/8", "https://[fd12::1]", true],
  ["fd00::/8", "https://[fe80::1]", false],
  ["fd00::/8", "https://10.1.2.3", false],
  ["[fd12::1]:8443", "https://[fd12::1]:8443", true],
  ["[fd12::1]:8444", "https://[fd12::1]:8443", false],
  ["10.0.0.0/99", "https://10.1.2.3", false],
])("T-17 no_proxy=%s excepts %s: %s", (word, url, excepted) => {
  expect(proxyFor({ https_proxy: "http://p:1", no_proxy: word }, url) === undefined).toBe(excepted);
});

test("T-17 T-07 user and password become a header, and are in nothing that is shown", () => {
  const proxy = proxyFor({ HTTPS_PROXY: "http://ada:p%40ss@p.test:3128" }, "https://a.test");
  expect(proxy).toEqual({
    url: "http://p.test:3128",
    host: "p.test:3128",
    authorization: `Basic ${Buffer.from("ada:p@ss").toString("base64")}`,
    origin: "HTTPS_PROXY",
  });
});

test.each(["socks5://secret@p:1", "http://", "http://secret%zz@p:1", "::secret::"])(
  "T-17 %s is refused with the variable's name, and never shown",
  (value) => {
    const find = () => proxyFor({ HTTPS_PROXY: value }, "https://a.test");
    expect(find).toThrow(SyntaxError);
    expect(find).toThrow(
      "HTTPS_PROXY is not a proxy that can be used; write http://HOST:PORT or https://HOST:PORT",
    );
  },
);
