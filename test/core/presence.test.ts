import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { admitTunnel, authenticate } from "../../src/core/people/access.ts";
import { ensureFirstAdmin } from "../../src/core/people/first-admin.ts";
import { revokeToken } from "../../src/core/people/token-list.ts";
import { joinServers, knownServers, type Presence, replaceOtherTokens } from "../../src/core/presence.ts";
import { engines } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

const GONE_MS = 30_000;

// On a slow machine a test takes as long as a server waits until it renews its row by itself.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe.each(engines)("the servers of one database on $engine", ({ create }) => {
  async function given(): Promise<World> {
    const database = await create();
    onTestFinished(() => database.drop());
    return makeWorld(database);
  }
  /** It leaves before the store is closed: handlers run the last first. */
  async function join(world: World, name: string, address: string | null = null): Promise<Presence> {
    const presence = await joinServers(world.core, name, address);
    onTestFinished(() => presence.leave());
    return presence;
  }
  const open = async (world: World) =>
    (await knownServers(world.core)).filter((server) => server.open).map((server) => server.name);
  const good = (world: World, token: string) =>
    authenticate(world.core, token).then(
      () => true,
      (error: { code: string }) => error.code,
    );

  test("a server is there from its joining to its leaving, and seems dead 30 s after its last renewal", async () => {
    const world = await given();
    const [one, two] = [await join(world, "one", "/run/one.sock"), await join(world, "two")];
    expect(await knownServers(world.core)).toEqual([
      { name: "one", address: "/run/one.sock", open: true },
      { name: "two", address: null, open: true },
    ]);
    await two.leave();
    expect(await open(world)).toEqual(["one"]);
    world.clock.tick(GONE_MS);
    expect(await open(world)).toEqual(["one"]);
    world.clock.tick(1);
    expect(await open(world)).toEqual([]);
    await one.renew();
    expect(await open(world)).toEqual(["one"]);
    await one.drain();
    expect(await open(world)).toEqual([]);
  });

  test("T-11 a server that seems dead can still be asked for its sessions, for 15 minutes", async () => {
    const world = await given();
    await join(world, "asleep", "/run/asleep.sock");
    const awake = await join(world, "awake");
    const names = async () => (await world.rows("servers")).map((row) => row.name).toSorted();
    world.clock.tick(15 * 60_000);
    await awake.renew();
    expect(await names()).toEqual(["asleep", "awake"]);
    expect(await open(world)).toEqual(["awake"]);
    world.clock.tick(1);
    await awake.renew();
    expect(await names()).toEqual(["awake"]);
  });

  test("X-01 a server's own token is good while that server is there, and no longer", async () => {
    const world = await given();
    const [one, two] = [await join(world, "one"), await join(world, "two")];
    const ofOne = (await ensureFirstAdmin(world.core, "root", "one")).token;
    const ofTwo = (await ensureFirstAdmin(world.core, "root", "two")).token;
    world.clock.tick(GONE_MS + 1);
    await two.renew();
    expect([await good(world, ofOne), await good(world, ofTwo)]).toEqual(["not_logged_in", true]);
    // It was only out of reach.
    await one.renew();
    expect(await good(world, ofOne)).toBe(true);
    await one.drain();
    expect(await good(world, ofOne)).toBe("not_logged_in");
    await one.renew();
    expect(await good(world, ofOne)).toBe("not_logged_in");
    await two.leave();
    expect(await good(world, ofTwo)).toBe("not_logged_in");
  });

  test("X-01 a server that has its database alone takes over from one that was killed at once", async () => {
    const world = await given();
    const killed = (await ensureFirstAdmin(world.core, "root", "killed")).token;
    await replaceOtherTokens(world.core, "next");
    const next = (await ensureFirstAdmin(world.core, "root", "next")).token;
    expect([await good(world, killed), await good(world, next)]).toEqual(["not_logged_in", true]);
  });

  test("T-08 a tunnel goes on when the server whose token opened it is replaced, and ends when that is revoked", async () => {
    const world = await given();
    const { token } = await ensureFirstAdmin(world.core, "ann", "old");
    world.reconciler.start();
    const reservation = await world.reserve();
    await world.after(0);
    const target = { reservation, node: 0, port: 22 };
    const admission = await admitTunnel(world.core, token, target);
    await replaceOtherTokens(world.core, "new");
    await expect(admitTunnel(world.core, token, target)).rejects.toMatchObject({ code: "not_logged_in" });
    expect(await admission.recheck()).toBeUndefined();
    const row = (await world.rows("tokens")).find((one) => one.replaced_at !== null);
    await revokeToken(world.core, world.ann, row?.id ?? "");
    expect(await admission.recheck()).toMatchObject({ code: "not_logged_in" });
  });
});
