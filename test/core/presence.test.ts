import { describe, expect, onTestFinished, test } from "vitest";
import { admitTunnel, authenticate, ensureFirstAdmin, revokeToken } from "../../src/core/access.ts";
import { joinServers, liveServers, type Presence, replaceOtherTokens } from "../../src/core/presence.ts";
import { engines } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

const GONE_MS = 30_000;

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
  const names = async (world: World) => (await liveServers(world.core)).map((row) => row.name);
  const good = (world: World, token: string) =>
    authenticate(world.core, token).then(
      () => true,
      (error: { code: string }) => error.code,
    );

  test("a server is there from its joining to its leaving, and seems dead 30 s after its last renewal", async () => {
    const world = await given();
    const [one, two] = [await join(world, "one", "/run/one.sock"), await join(world, "two")];
    expect(await liveServers(world.core)).toMatchObject([
      { name: "one", address: "/run/one.sock", draining: 0 },
      { name: "two", address: null },
    ]);
    await two.leave();
    expect(await names(world)).toEqual(["one"]);
    world.clock.tick(GONE_MS);
    expect(await names(world)).toEqual(["one"]);
    world.clock.tick(1);
    expect(await names(world)).toEqual([]);
    await one.renew();
    expect(await names(world)).toEqual(["one"]);
  });

  test("the row of a dead server is taken away by whoever renews next", async () => {
    const world = await given();
    await join(world, "dead");
    const alive = await join(world, "alive");
    world.clock.tick(GONE_MS + 1);
    await alive.renew();
    expect((await world.rows("servers")).map((row) => row.name)).toEqual(["alive"]);
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
    await revokeToken(world.core, row?.id ?? "");
    expect(await admission.recheck()).toMatchObject({ code: "not_logged_in" });
  });
});
