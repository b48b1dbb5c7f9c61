/** One entry for each tunnel, whatever the database does meanwhile. */
import { describe, expect, onTestFinished, test } from "vitest";
import type { Core } from "../../src/core/core.ts";
import { joinServers, tunnelsElsewhere } from "../../src/core/presence.ts";
import { TunnelAudit } from "../../src/core/tunnels/audit.ts";
import type { TunnelEntry } from "../../src/core/tunnels/entry.ts";
import type { Store } from "../../src/store/db.ts";
import { saveServer } from "../../src/store/servers.ts";
import { engines } from "../helpers/engines.ts";
import { FakeClock } from "../tunnel/fake-clock.ts";
import { makeWorld, type World } from "./world.ts";

describe.each(engines)("on $engine", ({ create }) => {
  /** A store whose writes fail while `away` is set; `after` lets them be committed all the same. */
  function flaky(store: Store): { store: Store; fault: { away: boolean; after: boolean; tries: number } } {
    const fault = { away: false, after: false, tries: 0 };
    const write: Store["write"] = async (work, options) => {
      fault.tries += 1;
      if (fault.away && !fault.after) throw new Error("the database is away");
      const result = await store.write(work, options);
      if (fault.away) throw new Error("the connection broke");
      return result;
    };
    return { store: { ...store, write }, fault };
  }

  const entry = (world: World, given: Partial<TunnelEntry> = {}): TunnelEntry => ({
    session: "gw.0123",
    userId: world.ann.id,
    reservationId: "a2345672345672345672",
    node: 0,
    port: 22,
    remoteAddress: "192.0.2.7",
    openedAt: 1_000,
    endedAt: 61_000,
    up: 5,
    down: 7,
    resumes: 2,
    end: "done",
    text: "over",
    ...given,
  });

  /** The audit's server is there now; no timer of its own says so again. */
  const seen = (world: World): Promise<void> =>
    world.core.store.write((tx) => saveServer(tx, { name: "gw", address: null, draining: 0 }));

  async function scene() {
    const database = await create();
    onTestFinished(() => database.drop());
    const world = await makeWorld(database);
    const { store, fault } = flaky(world.core.store);
    const core: Core = { ...world.core, store };
    const clock = new FakeClock();
    clock.tick(60_000);
    const audit = new TunnelAudit(core, clock, "gw");
    const entries = async () =>
      (await world.rows("audit"))
        .filter((row) => row.action === "tunnel.close")
        .sort((a, b) => (a.id < b.id ? -1 : 1));
    const written = (n: number) => expect.poll(async () => (await entries()).length).toBe(n);
    /** Lets the pause that is under way pass. */
    const due = async (ms = 1_000) => {
      await expect.poll(() => clock.pending).toBe(1);
      clock.tick(ms);
    };
    const errors = () => world.logs.filter(({ level }) => level === "error");
    return { world, fault, clock, audit, entries, written, due, errors };
  }

  test("O-03 the entry says who, what, when, from where, how much and how it ended", async () => {
    const { world, clock, audit, entries, written, due } = await scene();
    clock.tick(2_000);
    audit.closed(entry(world));
    await due();
    await written(1);
    const [row] = await entries();
    expect(row).toMatchObject({
      actor: world.ann.id,
      subject: "a2345672345672345672",
      at: "2026-01-05T07:59:58.000Z",
    });
    expect(JSON.parse(row?.detail ?? "")).toEqual({
      session: "gw.0123",
      node: 0,
      port: 22,
      from: "192.0.2.7",
      opened_at: "2026-01-05T07:58:58.000Z",
      closed_at: "2026-01-05T07:59:58.000Z",
      open_s: 60,
      bytes_up: 5,
      bytes_down: 7,
      resumes: 2,
      end: "done",
      text: "over",
    });
    expect(audit.counts).toEqual({ waiting: 0, lost: 0 });
  });

  test("O-03 a thousand that end at once are written in batches, each once", async () => {
    const { world, audit, fault, entries } = await scene();
    for (let i = 0; i < 1_000; i++) audit.closed(entry(world, { session: `gw.${i}` }));
    await audit.close();
    const sessions = (await entries()).map((row) => JSON.parse(row.detail ?? "").session);
    expect(new Set(sessions).size).toBe(1_000);
    expect(sessions).toHaveLength(1_000);
    expect(fault.tries).toBe(10);
  });

  test("O-03 B-06 a database that is away loses nothing, and what it took without saying so is not written twice", async () => {
    const { world, audit, fault, clock, entries, written, due, errors } = await scene();
    fault.away = true;
    audit.closed(entry(world));
    await due();
    await expect.poll(() => fault.tries).toBe(1);
    fault.after = true;
    await due();
    await written(1);
    await expect.poll(() => clock.pending).toBe(1);
    audit.closed(entry(world, { session: "gw.other" }));
    expect(audit.counts.waiting).toBe(2);
    fault.away = false;
    clock.tick(2_000);
    await written(2);
    expect(audit.counts).toEqual({ waiting: 0, lost: 0 });
    expect(new Set((await entries()).map((row) => row.id)).size).toBe(2);
    // It is said when that begins and when it is over, not at each try (O-04).
    expect(errors()).toHaveLength(1);
    expect(world.logs.filter(({ message }) => message.startsWith("over: "))).toHaveLength(1);
  });

  test("O-03 after ten tries in some minutes, and when the server stops, what is not written is in the log", async () => {
    const { world, audit, fault, clock, written, due, errors } = await scene();
    fault.away = true;
    audit.closed(entry(world, { session: "gw.first" }));
    await due();
    for (let tries = 1; tries < 10; tries++) {
      await expect.poll(() => fault.tries).toBe(tries);
      await due(60_000);
    }
    await expect.poll(() => audit.counts).toEqual({ waiting: 0, lost: 1 });
    expect(errors().at(-1)).toMatchObject({
      message: "an audit entry is lost",
      fields: { session: "gw.first", from: "192.0.2.7", bytes_up: 5, user_id: world.ann.id },
    });
    audit.closed(entry(world, { session: "gw.second" }));
    await expect.poll(() => clock.pending).toBe(1);
    await audit.close();
    expect(errors().at(-1)).toMatchObject({ fields: { session: "gw.second" } });
    expect([audit.counts.lost, clock.pending]).toEqual([2, 0]);
    fault.away = false;
    audit.closed(entry(world));
    await written(1);
  });

  test("O-03 T-06 what was lost counts against no limit once the database is back, without anything else to write", async () => {
    const { world, audit, fault, clock, entries, due } = await scene();
    await seen(world);
    audit.opened(entry(world, { session: "gw.lost" }));
    audit.opened(entry(world, { session: "gw.open" }));
    await due();
    await expect.poll(() => world.rows("open_tunnels")).toHaveLength(2);
    await expect.poll(() => clock.pending).toBe(0);
    fault.away = true;
    fault.tries = 0;
    audit.closed(entry(world, { session: "gw.lost" }));
    await due();
    for (let tries = 1; tries < 12; tries++) {
      await expect.poll(() => fault.tries).toBe(tries);
      await due(60_000);
    }
    expect(audit.counts).toEqual({ waiting: 0, lost: 1 });
    await expect.poll(() => fault.tries).toBe(12);
    fault.away = false;
    await due(60_000);
    await expect
      .poll(async () => (await world.rows("open_tunnels")).map(({ session }) => session))
      .toEqual(["gw.open"]);
    const holder = { userId: world.ann.id, reservationId: "a2345672345672345672" };
    expect(await tunnelsElsewhere(world.core, "other", holder)).toEqual({ ofUser: 1, ofReservation: 1 });
    const [row] = await entries();
    expect(JSON.parse(row?.detail ?? "")).toMatchObject({ session: "gw.lost", end: "not_recorded" });
    await expect.poll(() => clock.pending).toBe(0);
    await audit.close();
  });

  test("O-03 while nothing can be written, ten thousand wait, and the others are in the log", async () => {
    const { world, audit, fault, clock } = await scene();
    fault.away = true;
    for (let i = 0; i < 10_003; i++) audit.closed(entry(world, { session: `gw.${i}` }));
    expect(audit.counts).toEqual({ waiting: 10_000, lost: 3 });
    await expect.poll(() => clock.pending).toBe(1);
    await audit.close();
    expect(audit.counts).toEqual({ waiting: 0, lost: 10_003 });
  });

  test("O-03 a tunnel is written down while it is open, and what is over before that has its entry alone", async () => {
    const { world, audit, fault, clock, written, due } = await scene();
    const open = () => world.rows("open_tunnels");
    audit.opened(entry(world));
    await due();
    await expect.poll(open).toEqual([
      {
        session: "gw.0123",
        server: "gw",
        user_id: world.ann.id,
        reservation_id: "a2345672345672345672",
        node: 0,
        port: 22,
        remote_address: "192.0.2.7",
        opened_at: "2026-01-05T07:59:00.000Z",
      },
    ]);
    await expect.poll(() => clock.pending).toBe(0);
    fault.away = true;
    audit.opened(entry(world, { session: "gw.short" }));
    await due();
    await expect.poll(() => fault.tries).toBe(2);
    audit.closed(entry(world, { session: "gw.short" }));
    audit.closed(entry(world));
    expect(audit.counts).toEqual({ waiting: 2, lost: 0 });
    fault.away = false;
    await due();
    await written(2);
    await expect.poll(open).toEqual([]);
  });

  test("O-03 a tunnel that is over within a second costs one write", async () => {
    const { world, audit, fault, written, due } = await scene();
    audit.opened(entry(world));
    audit.closed(entry(world));
    await due();
    await written(1);
    expect(fault.tries).toBe(1);
  });

  test("O-03 what a killed server had open gets its entry once, when that server is forgotten or known to be dead", async () => {
    const { world, audit, entries, written } = await scene();
    const other = await joinServers(world.core, "other", null);
    onTestFinished(() => other.leave());
    await seen(world);
    for (let i = 0; i < 3; i++) audit.opened(entry(world, { session: `gw.${i}` }));
    await audit.close();
    world.clock.tick(15 * 60_000);
    await other.renew();
    // It may only have stood still.
    expect(await entries()).toEqual([]);
    world.clock.tick(1);
    await Promise.all([other.renew(), other.renew()]);
    await written(3);
    const [row] = await entries();
    expect(row).toMatchObject({ actor: world.ann.id, subject: "a2345672345672345672" });
    expect(JSON.parse(row?.detail ?? "")).toMatchObject({
      session: expect.stringMatching(/^gw\.\d$/),
      opened_at: "2026-01-05T07:59:01.000Z",
      from: "192.0.2.7",
      port: 22,
      end: "gateway_lost",
    });

    await seen(world);
    audit.opened(entry(world, { session: "gw.again" }));
    await audit.close();
    await other.renew();
    expect(await entries()).toHaveLength(3);
    const next = await joinServers(world.core, "next", null, ["gw"]);
    await written(4);
    await next.leave();
    expect(await world.rows("open_tunnels")).toEqual([]);
  });

  test("T-06 the tunnels of the other servers that are there count for a user and for a reservation", async () => {
    const { world, audit } = await scene();
    await seen(world);
    audit.opened(entry(world, { session: "gw.1" }));
    audit.opened(entry(world, { session: "gw.2", reservationId: "b2345672345672345672" }));
    audit.opened(entry(world, { session: "gw.3", userId: world.bob.id }));
    await audit.close();
    const elsewhere = (name: string, userId: string) =>
      tunnelsElsewhere(world.core, name, { userId, reservationId: "a2345672345672345672" });
    expect(await elsewhere("other", world.ann.id)).toEqual({ ofUser: 2, ofReservation: 2 });
    expect(await elsewhere("other", world.bob.id)).toEqual({ ofUser: 1, ofReservation: 2 });
    expect(await elsewhere("gw", world.ann.id)).toEqual({ ofUser: 0, ofReservation: 0 });
    world.clock.tick(30_001);
    expect(await elsewhere("other", world.ann.id)).toEqual({ ofUser: 0, ofReservation: 0 });
  });
});
