/** Server-sent events through real HTTP. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ProblemDocument } from "../../src/api/errors.ts";
import type { Reservation, ReservationEvent } from "../../src/api/reservations.ts";
import type { Page } from "../../src/api/schemas.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";
import { openStream, type StreamClient } from "./stream-client.ts";

describe.each(engines)("event streams on $engine", (engine) => {
  let rig: ApiRig;
  let url: string;
  let alice: Person;
  const open: StreamClient[] = [];
  beforeEach(async () => {
    rig = await openRig(engine);
    url = await rig.listen();
    alice = await rig.person("alice");
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.cut();
    await rig.close();
  });

  const stream = async (...[path, headers, id]: [string, Record<string, string>?, string?]) => {
    const client = await openStream(url + path, alice, headers, id);
    open.push(client);
    return client;
  };
  const events = (id: string): string => `/v1/reservations/${id}/events`;
  const create = async (name?: string): Promise<string> => {
    const body = { gpu_type: "h100", duration_s: 3600, ...(name === undefined ? {} : { name }) };
    return (await alice.api.createReservation({ body })).id;
  };
  /** There is one GPU, which somebody has: this one changes only when a test changes it. */
  const createQueued = async (): Promise<string> => {
    await create();
    return create();
  };
  const rename = (id: string, name: string) => alice.api.patchReservation({ params: { id }, body: { name } });
  const versions = (client: StreamClient): number[] =>
    client.of<ReservationEvent>("entry").map((entry) => entry.version);

  test("A-13 L-01 every entry comes once, in order, as it happens, and the end is said", async () => {
    const id = await create();
    const client = await stream(events(id));
    expect(client.status).toBe(200);
    expect(client.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(client.headers["x-accel-buffering"]).toBe("no");
    await rig.settle();
    await client.until<Reservation>("reservation", (r) => r.state === "active");
    await alice.api.cancelReservation({ params: { id } });
    await rig.settle();
    await client.over;
    expect(versions(client)).toEqual([1, 2, 3, 4, 5]);
    const states = client.of<Reservation>("reservation").map((r) => r.state);
    expect(states.at(-1)).toBe("cancelled");
    expect(client.of("end")).toEqual([{ version: 5, state: "cancelled" }]);
    expect(client.reader.lastEventId).toBe("5");
    const { items } = await alice.api.listEvents({ params: { id }, query: {} });
    expect(client.of("entry")).toEqual(items);
  });

  test("A-13 a change that is no entry is seen within the second: the last error", async () => {
    const id = await create();
    const client = await stream(events(id));
    await rig.core.store.write(({ db }) =>
      db.updateTable("reservations").set({ last_error: "ssh: timeout" }).where("id", "=", id).execute(),
    );
    await client.until<Reservation>("reservation", (r) => r.last_error === "ssh: timeout");
  });

  test("a client resumes exactly where it was, by Last-Event-ID or `after`; the header goes first", async () => {
    const id = await createQueued();
    for (const name of ["b", "c", "d"]) await rename(id, name);
    const resumed = await stream(events(id), {}, "2");
    await resumed.until<Reservation>("reservation");
    expect(versions(resumed)).toEqual([3, 4]);
    const after = await stream(`${events(id)}?after=3`);
    await after.until<Reservation>("reservation");
    expect(versions(after)).toEqual([4]);
    const both = await stream(`${events(id)}?after=1`, {}, "3");
    await both.until<Reservation>("reservation");
    expect(versions(both)).toEqual([4]);
    const json = await rig.request(alice, `${events(id)}?after=3`, {});
    expect(((await json.json()) as Page<ReservationEvent>).items.map((e) => e.version)).toEqual([4]);
  });

  test("one that is over is told whole, and ended", async () => {
    const id = await create();
    await alice.api.cancelReservation({ params: { id } });
    await rig.settle();
    const client = await stream(events(id), {}, "1");
    await client.over;
    expect(versions(client).at(0)).toBe(2);
    expect(client.of("end")).toHaveLength(1);
  });

  test("A-01 A-02 unknown, somebody else's and without a token: as everywhere", async () => {
    const id = await create();
    const bob = await rig.person("bob");
    const sse = { headers: { accept: "text/event-stream" } };
    const theirs = await problemOf(await rig.request(bob, events(id), sse));
    const unknown = await problemOf(await rig.request(bob, events("a".repeat(20)), sse));
    expect([theirs.code, unknown.code]).toEqual(["not_found", "not_found"]);
    const nobody = await problemOf(await rig.request({ token: "x" }, events(id), sse));
    expect(nobody.code).toBe("not_logged_in");
  });

  test("A-05 what cannot be resumed from is refused with the field", async () => {
    const id = await createQueued();
    const refused = async (path: string, lastEventId?: string): Promise<string | undefined> => {
      const headers = {
        accept: "text/event-stream",
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      };
      const problem = await problemOf(await rig.request(alice, path, { headers }));
      expect(problem.code).toBe("invalid_input");
      return problem.errors?.[0]?.field;
    };
    expect(await refused(events(id), "one")).toBe("Last-Event-ID");
    expect(await refused(events(id), "-1")).toBe("Last-Event-ID");
    expect(await refused(events(id), "2")).toBe("after");
    expect(await refused(`${events(id)}?after=x`)).toBe("after");
    expect(await refused(`${events(id)}?cursor=abc`)).toBe("cursor");
    expect(await refused("/v1/reservations?cursor=abc")).toBe("cursor");
  });

  test("A-09 HEAD has the headers of the stream, and leaves none open", async () => {
    const id = await create();
    for (let i = 0; i < 60; i++) {
      const headers = { accept: "text/event-stream" };
      const head = await rig.request(alice, events(id), { method: "HEAD", headers });
      expect(head.status).toBe(200);
      expect(head.headers.get("content-type")).toContain("text/event-stream");
    }
  });

  test("JSON is what comes unless events are preferred", async () => {
    const id = await create();
    const typeFor = async (accept: string): Promise<string | null> => {
      const response = await rig.request(alice, events(id), { headers: { accept } });
      await response.body?.cancel();
      return response.headers.get("content-type");
    };
    expect(await typeFor("*/*")).toContain("application/json");
    expect(await typeFor("application/json, text/event-stream;q=0.5")).toContain("application/json");
    expect(await typeFor("text/event-stream;q=0, */*")).toContain("application/json");
    expect(await typeFor("application/json;q=0.1, text/event-stream")).toContain("text/event-stream");
  });

  test("A-11 a user has fifty streams; one that is closed makes room", async () => {
    const path = events(await create());
    const clients = await Promise.all(Array.from({ length: 50 }, () => stream(path)));
    const headers = { accept: "text/event-stream" };
    const refused = await rig.request(alice, path, { headers });
    expect(refused.headers.get("retry-after")).toBe("5");
    expect((await problemOf(refused)).code).toBe("too_many_streams");
    clients[0]?.cut();
    await vi.waitFor(async () => {
      const again = await rig.request(alice, path, { headers });
      await again.body?.cancel();
      expect(again.status).toBe(200);
    }, 60_000);
  });

  test("X-01 a revoked token ends its streams within 5 s, with the reason", async () => {
    const list = await stream("/v1/reservations");
    const one = await stream(events(await create()));
    const { items } = await alice.api.listTokens({ query: {} });
    const mine = items.find(({ current }) => current);
    await alice.api.revokeToken({ params: { id: mine?.id ?? "" }, query: {} });
    for (const client of [list, one]) {
      expect((await client.until<ProblemDocument>("problem")).code).toBe("not_logged_in");
      await client.over;
    }
  });

  test("a server that goes says so and when to come back", async () => {
    const client = await stream("/v1/reservations");
    rig.drain();
    expect(await client.until<ProblemDocument>("problem")).toMatchObject({
      code: "draining",
      retryable: true,
    });
    await client.over;
    expect(client.reader.retryMs).toBe(1000);
  });

  test("a list is sent whole at first and after each change, and shows nobody else's", async () => {
    const first = await create("one");
    const client = await stream("/v1/reservations");
    const names = (page: Page<Reservation>): string => page.items.map((r) => r.name).join();
    await client.until<Page<Reservation>>("list", (page) => names(page) === "one");
    const bob = await rig.person("bob");
    await bob.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, name: "bobs" } });
    await create("two");
    await client.until<Page<Reservation>>("list", (page) => names(page) === "two,one");
    await alice.api.cancelReservation({ params: { id: first } });
    await rig.settle();
    await client.until<Page<Reservation>>("list", (page) => names(page) === "two");
    expect(client.text()).not.toContain("bobs");
    expect(client.events.every(({ event }) => event === "list")).toBe(true);
    const queued = await stream("/v1/reservations?state=queued&limit=1");
    await queued.until<Page<Reservation>>("list");
  });

  test("nothing is sent while nothing changes", async () => {
    const client = await stream("/v1/reservations");
    await client.until("list");
    const looks = vi.spyOn(rig.core.store, "read");
    await vi.waitFor(() => expect(looks.mock.calls.length).toBeGreaterThan(2), 60_000);
    expect(client.of("list")).toHaveLength(1);
  });
});
