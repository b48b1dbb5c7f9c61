import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { reserving } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

/** `sent` has the keys that came along with what was reserved. */
function createKeyWorld(options: WorldOptions = {}): World & { key: string; sent(): unknown[] } {
  const world = createWorld({
    handlers: reserving,
    ...options,
  });
  return Object.assign(world, {
    key: join(world.home, "gd", "id_ed25519"),
    sent: () =>
      world.server.requests.flatMap((r) =>
        r.route === "createReservation" ? (r.body as { public_key: string }).public_key : [],
      ),
  });
}

const RESERVE = "reserve --gpu-type h100 --time 1h --no-wait";
const mode = (file: string): number => statSync(file).mode & 0o777;

test("C-21 the key pair is made on first use: 0600 in 0700, sent with what is reserved, then kept", async () => {
  const world = createKeyWorld();
  expect((await world.gpuDev(RESERVE)).code).toBe(0);
  expect(mode(world.key)).toBe(0o600);
  expect(mode(join(world.home, "gd"))).toBe(0o700);
  const publicKey = readFileSync(`${world.key}.pub`, "utf8").trim();
  expect(publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]+=* gpu-dev$/);
  await world.gpuDev(RESERVE);
  expect(world.sent()).toEqual([publicKey, publicKey]);
  expect(world.programs.filter(([name]) => name === "ssh-keygen")).toHaveLength(2);
});

test("eight at once make one key and leave nothing aside", async () => {
  const world = createKeyWorld();
  const all = await Promise.all(Array.from({ length: 8 }, () => world.gpuDev(RESERVE)));
  expect(all.map((done) => done.code)).toEqual(Array(8).fill(0));
  expect(new Set(world.sent()).size).toBe(1);
  expect(readdirSync(join(world.home, "gd")).filter((name) => /key-|pub\./.test(name))).toEqual([]);
});

test("a public key that is missing is derived again from the private one", async () => {
  const world = createKeyWorld();
  await world.gpuDev(RESERVE);
  rmSync(`${world.key}.pub`);
  await world.gpuDev(RESERVE);
  expect(new Set(world.sent()).size).toBe(1);
});

test("a damaged key is told with its file, and nothing is reserved", async () => {
  const world = createKeyWorld();
  await world.gpuDev(RESERVE);
  rmSync(`${world.key}.pub`);
  writeFileSync(world.key, "rubbish");
  chmodSync(world.key, 0o600);
  const before = world.server.requests.length;
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(1);
  expect(done.stderr).toContain(world.key);
  expect(world.server.requests).toHaveLength(before);
});

test("a machine without ssh-keygen is told what to install", async () => {
  const world = createKeyWorld({
    runProgram: async () => {
      throw Object.assign(new Error("spawn ENOENT"), { code: "ENOENT" });
    },
  });
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(1);
  expect(done.stderr).toContain("apt install openssh-client");
});

describe("keys", () => {
  const known = ["one", "two"].map((name) => ({
    id: `${name.padEnd(3, "x")}defghijklmnopqrst`,
    type: "ssh-ed25519",
    fingerprint: `SHA256:${name}`,
    comment: "laptop",
    created_at: "2026-01-01T11:00:00.000Z",
  }));
  const withKeys = (options: WorldOptions = {}): World =>
    createWorld({
      handlers: {
        // Two pages.
        listKeys: ({ query }) =>
          query.cursor
            ? { items: known.slice(1), next_cursor: null }
            : { items: known.slice(0, 1), next_cursor: "c" },
        deleteKey: ({ params }) => known.find(({ id }) => id === params.id) ?? {},
        createKey: () => known[0] ?? {},
      },
      ...options,
    });

  test("keys list has all pages", async () => {
    expect((await withKeys().gpuDev("keys list")).stdout).toBe(
      "SHA256:one\tssh-ed25519\tlaptop\t2026-01-01T11:00:00.000Z\nSHA256:two\tssh-ed25519\tlaptop\t2026-01-01T11:00:00.000Z\n",
    );
  });

  test("keys add sends a public key, and no private one", async () => {
    const world = withKeys();
    const file = join(world.home, "mine");
    writeFileSync(`${file}.pub`, "ssh-ed25519 AAAA me\n");
    writeFileSync(file, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    expect((await world.gpuDev(["keys", "add", `${file}.pub`])).code).toBe(0);
    expect(world.server.requests.at(-1)?.body).toEqual({ public_key: "ssh-ed25519 AAAA me" });
    world.server.requests.length = 0;
    expect(await world.gpuDev(["keys", "add", file])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`Give ${file}.pub.`),
    });
    expect(world.server.requests).toEqual([]);
  });

  test.each(["SHA256:two", "twodefghijklmnopqrst"])("keys remove %s forgets that one", async (word) => {
    const world = withKeys();
    expect((await world.gpuDev(`keys remove ${word} -y`)).stderr).toBe(
      "SHA256:two opens your pods no more\n",
    );
    expect(world.server.requests.at(-1)).toMatchObject({ route: "deleteKey", params: { id: known[1]?.id } });
  });

  test.each([
    ["keys remove laptop -y", 2, "2 keys have the comment"],
    ["keys remove SHA256:none -y", 5, "You have no key"],
    ["keys remove SHA256:two", 2, "--yes is missing"],
  ])("%s changes nothing", async (line, code, words) => {
    const world = withKeys();
    expect(await world.gpuDev(line)).toMatchObject({ code, stderr: expect.stringContaining(words) });
    expect(world.server.requests.some(({ route }) => route === "deleteKey")).toBe(false);
  });
});
