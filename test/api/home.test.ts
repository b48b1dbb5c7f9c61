import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  credentialsFile,
  findEndpoint,
  type Home,
  homeOf,
  localServerFile,
  tunnelEndpoint,
} from "../../src/api/home.ts";

let home: Home;
beforeEach(() => {
  const dir = mkdtempSync(join(tmpdir(), "gd-home-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  home = homeOf({}, dir);
  mkdirSync(home.configDir, { recursive: true });
  mkdirSync(home.stateDir, { recursive: true });
});

const local = (): void =>
  writeFileSync(
    localServerFile(home),
    JSON.stringify({ url: "http://127.0.0.1:1/", token: "local-token", pid: process.pid }),
  );
const credentials = (): void =>
  writeFileSync(
    credentialsFile(home),
    JSON.stringify({
      current: "prod",
      contexts: { prod: { url: "https://p", token: "p-token" }, lab: { url: "https://l" } },
    }),
  );

test("GPU_DEV_HOME moves all files; XDG_CONFIG_HOME only the configuration", () => {
  expect(homeOf({ GPU_DEV_HOME: "/x" }, "/h")).toEqual({ configDir: "/x", stateDir: "/x" });
  expect(homeOf({ XDG_CONFIG_HOME: "/c" }, "/h")).toEqual({
    configDir: "/c/gpu-dev",
    stateDir: "/h/.gpu-dev",
  });
  expect(homeOf({}, "/h")).toEqual({ configDir: "/h/.config/gpu-dev", stateDir: "/h/.gpu-dev" });
});

test("nothing configured is no endpoint", () => {
  expect(findEndpoint({}, home)).toBeUndefined();
});

test("the server of the same user is found by itself, and a configured one goes before it", () => {
  local();
  expect(findEndpoint({}, home)).toMatchObject({
    context: "local",
    url: "http://127.0.0.1:1",
    token: "local-token",
  });
  credentials();
  expect(findEndpoint({}, home)).toMatchObject({ context: "prod", url: "https://p" });
  expect(findEndpoint({}, home, "local")).toMatchObject({ context: "local" });
  expect(findEndpoint({ GPU_DEV_CONTEXT: "lab" }, home)).toMatchObject({ context: "lab", url: "https://l" });
  expect(findEndpoint({}, home, "nope")).toBeUndefined();
});

test("X-09 the token of a server that died is given to nobody", () => {
  const { pid } = spawnSync("true");
  writeFileSync(
    localServerFile(home),
    JSON.stringify({ url: "http://127.0.0.1:1/", token: "local-token", pid }),
  );
  expect(findEndpoint({}, home)).toMatchObject({ url: "http://127.0.0.1:1", token: undefined });
});

test("the environment goes before files, and --context before the environment", () => {
  credentials();
  const env = { GPU_DEV_URL: "http://e/", GPU_DEV_TOKEN: "e-token" };
  expect(findEndpoint(env, home)).toEqual({
    context: "environment",
    url: "http://e",
    token: "e-token",
    origin: "GPU_DEV_URL",
  });
  expect(findEndpoint(env, home, "lab")).toMatchObject({ url: "https://l" });
});

test("C-21 a stored token goes along only to the URL that it was stored for", () => {
  credentials();
  expect(findEndpoint({ GPU_DEV_URL: "http://evil" }, home)?.token).toBeUndefined();
  expect(findEndpoint({ GPU_DEV_URL: "https://p/" }, home)?.token).toBe("p-token");
});

describe("where tunnels go", () => {
  const given = (env: Record<string, string> = {}) => {
    const found = findEndpoint(env, home);
    return found && tunnelEndpoint(env, found);
  };
  const stored = (tunnel_url?: string): void =>
    writeFileSync(
      credentialsFile(home),
      JSON.stringify({
        current: "prod",
        contexts: { prod: { url: "https://p", token: "p-token", tunnel_url } },
      }),
    );

  test("to the API's URL, unless the entry has another one", () => {
    stored();
    expect(given()).toMatchObject({ url: "https://p", token: "p-token" });
    stored("https://t/");
    expect(given()).toMatchObject({ url: "https://t", token: "p-token", origin: credentialsFile(home) });
    expect(given({ GPU_DEV_URL: "https://p" })).toMatchObject({ url: "https://t", token: "p-token" });
    expect(given({ GPU_DEV_URL: "https://other" })).toMatchObject({ url: "https://other", token: undefined });
  });

  test("the local server's file may say so, too", () => {
    const local = {
      url: "http://127.0.0.1:1",
      tunnel_url: "http://127.0.0.1:2",
      token: "t",
      pid: process.pid,
    };
    writeFileSync(localServerFile(home), JSON.stringify(local));
    expect(given()).toMatchObject({ url: "http://127.0.0.1:2", token: "t", context: "local" });
  });

  test("C-21 GPU_DEV_TUNNEL_URL goes before files, and gets a stored token only if that stands beside the same URL", () => {
    stored("https://t");
    expect(given({ GPU_DEV_TUNNEL_URL: "https://evil" })).toMatchObject({
      url: "https://evil",
      token: undefined,
      origin: "GPU_DEV_TUNNEL_URL",
    });
    for (const url of ["https://t", "https://p/"])
      expect(given({ GPU_DEV_TUNNEL_URL: url })?.token).toBe("p-token");
    expect(given({ GPU_DEV_TUNNEL_URL: "https://x", GPU_DEV_TOKEN: "mine" })?.token).toBe("mine");
  });
});

test("a corrupt file is named", () => {
  writeFileSync(credentialsFile(home), "{");
  expect(() => findEndpoint({}, home)).toThrow(credentialsFile(home));
});
