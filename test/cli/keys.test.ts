import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { queued } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

function createKeyWorld(options: WorldOptions = {}): World & { key: string; sent(): unknown[] } {
  const world = createWorld({
    handlers: {
      createKey: () => ({
        id: "k",
        type: "t",
        fingerprint: "f",
        comment: "",
        created_at: "2026-01-01T11:00:00.000Z",
      }),
      createReservation: () => queued(),
      listReservations: () => ({ items: [], next_cursor: null }),
      getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
    },
    ...options,
  });
  return Object.assign(world, {
    key: join(world.home, "gd", "id_ed25519"),
    sent: () => world.server.requests.filter((r) => r.route === "createKey").map((r) => r.body),
  });
}

const RESERVE = "reserve --gpu-type h100 --time 1h --no-wait";
const mode = (file: string): number => statSync(file).mode & 0o777;

test("C-21 the key pair is made on first use: 0600 in 0700, registered before reserving, then kept", async () => {
  const world = createKeyWorld();
  expect((await world.gpuDev(RESERVE)).code).toBe(0);
  expect(mode(world.key)).toBe(0o600);
  expect(mode(join(world.home, "gd"))).toBe(0o700);
  const publicKey = readFileSync(`${world.key}.pub`, "utf8").trim();
  expect(publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]+=* gpu-dev$/);
  await world.gpuDev(RESERVE);
  expect(world.sent()).toEqual([{ public_key: publicKey }, { public_key: publicKey }]);
  const routes = world.server.requests.map((r) => r.route);
  expect(routes.indexOf("createKey")).toBeLessThan(routes.indexOf("createReservation"));
  expect(world.programs.filter(([name]) => name === "ssh-keygen")).toHaveLength(2);
});

test("eight at once make one key and leave nothing aside", async () => {
  const world = createKeyWorld();
  const all = await Promise.all(Array.from({ length: 8 }, () => world.gpuDev(RESERVE)));
  expect(all.map((done) => done.code)).toEqual(Array(8).fill(0));
  expect(new Set(world.sent().map((body) => JSON.stringify(body))).size).toBe(1);
  expect(readdirSync(join(world.home, "gd")).filter((name) => /key-|pub\./.test(name))).toEqual([]);
});

test("a public key that is missing is derived again from the private one", async () => {
  const world = createKeyWorld();
  await world.gpuDev(RESERVE);
  rmSync(`${world.key}.pub`);
  await world.gpuDev(RESERVE);
  expect(new Set(world.sent().map((body) => JSON.stringify(body))).size).toBe(1);
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
