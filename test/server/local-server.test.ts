import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findEndpoint, type Home, homeOf, localServerFile } from "../../src/api/home.ts";
import { announce, withdraw } from "../../src/server/local-server.ts";

let parent: string;
let home: Home;
const server = { url: "http://127.0.0.1:1", token: "secret-1", pid: process.pid };

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "gd-announce-"));
  home = homeOf({ GPU_DEV_HOME: join(parent, "home") }, parent);
});
afterEach(() => rmSync(parent, { recursive: true }));

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("C-21 server.json is 0600 in a directory of 0700, and nothing else is left there", async () => {
  await announce(home, server);
  expect(mode(localServerFile(home))).toBe("600");
  expect(mode(home.stateDir)).toBe("700");
  expect(readdirSync(home.stateDir)).toEqual(["server.json"]);
  expect(findEndpoint({}, home)).toMatchObject({ url: server.url, token: server.token });
});

test("C-21 a readable file that a killed server left does not make the new one readable", async () => {
  await announce(home, server);
  const left = `${localServerFile(home)}.${server.pid}.tmp`;
  writeFileSync(left, "old");
  chmodSync(left, 0o644);
  await announce(home, server);
  expect(mode(localServerFile(home))).toBe("600");
});

test("a later server's file stays when an earlier one stops", async () => {
  await announce(home, server);
  await announce(home, { ...server, token: "secret-2", pid: 42 });
  await withdraw(home, server);
  expect(readFileSync(localServerFile(home), "utf8")).toContain("secret-2");
  await withdraw(home, { ...server, token: "secret-2", pid: 42 });
  expect(existsSync(localServerFile(home))).toBe(false);
  await withdraw(home, server);
});

test("of servers that come and go at once, the one that stays is told of", async () => {
  const stays = { ...server, token: "secret-stays", pid: 99 };
  const others = Array.from({ length: 20 }, (_, i) => ({ ...server, token: `secret-${i}`, pid: i + 100 }));
  for (let round = 0; round < 20; round++) {
    await Promise.all(others.map((other) => announce(home, other)));
    await Promise.all([announce(home, stays), ...others.map((other) => withdraw(home, other))]);
    expect(readFileSync(localServerFile(home), "utf8")).toContain("secret-stays");
    expect(readdirSync(home.stateDir)).toEqual(["server.json"]);
  }
});

test("a home that cannot be written is an error with the path and the way out", async () => {
  writeFileSync(join(parent, "file"), "");
  const impossible = homeOf({ GPU_DEV_HOME: join(parent, "file", "home") }, parent);
  const words = `${localServerFile(impossible)} cannot be written (ENOTDIR); GPU_DEV_HOME moves it`;
  await expect(announce(impossible, server)).rejects.toThrow(words);
});
