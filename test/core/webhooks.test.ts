import { createHmac } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createConditions } from "../../src/core/conditions.ts";
import type { Post, WebhookSender } from "../../src/core/core.ts";
import { createReservation } from "../../src/core/create.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { listEvents, listReservations } from "../../src/core/listing.ts";
import { createCourier } from "../../src/core/webhooks/courier.ts";
import type { Store } from "../../src/store/db.ts";
import { engines, type TestDatabase } from "../helpers/engines.ts";
import { makeRunningWorld, type World, worldOn } from "./world.ts";

const MIN = 60_000;
/** Against hanging; beside the whole suite on one processor, two seconds become thirty. */
const GUARD = { timeout: 150_000 };
const OTHER = "https://other.test/";
const URL = "https://user:pw@ci.test/hook?key=K_3_Y";

/** Takes posts as the test says: with an answer for each, or one that comes when the test wants it. */
class Receiver implements WebhookSender {
  readonly posts: Post[] = [];
  answer: (post: Post, signal: AbortSignal) => Promise<string | undefined> = async () => undefined;
  fault = (url: string) => (url.includes("//private.") ? "private.test is not a public address" : undefined);
  post = (post: Post, signal: AbortSignal) => {
    this.posts.push(post);
    return this.answer(post, signal);
  };
  bodies = (from = 0) => this.posts.slice(from).map(({ body }) => JSON.parse(body));
  events = (from = 0) => this.bodies(from).map(({ event }) => event);
}

describe.each(engines)("webhooks on $engine", ({ create }) => {
  let world: World;
  let receiver: Receiver;
  const databases: TestDatabase[] = [];
  beforeEach(async () => {
    const database = await create();
    databases.push(database);
    receiver = new Receiver();
    world = await makeRunningWorld(database, { parts: { webhooks: receiver } });
  });
  afterAll(() => Promise.all(databases.map((d) => d.drop())));

  const history = async (id: string) => (await listEvents(world.core, world.ann, id)).items;
  const active = async (given: { webhook?: string; duration_s?: number } = { webhook: URL }) => {
    const id = await world.reserve(given);
    await world.after(0);
    return id;
  };

  /** Its end is all that is posted of it, and is being posted. */
  const endWithOnePost = async () => {
    const id = await active({});
    await patchReservation(world.core, world.ann, id, { webhook: URL });
    await cancelReservation(world.core, world.ann, id);
    await vi.waitFor(() => expect(receiver.posts).toHaveLength(1), GUARD);
  };

  test("the turn, active, the warnings and the end are posted, signed with the owner's secret", async () => {
    const id = await world.reserve({ webhook: URL, name: "train" });
    const { webhook } = await world.show(id);
    expect(webhook).toEqual({
      url: URL,
      secret: expect.stringMatching(/^whsec_[\w-]{43}$/),
      last_error: null,
    });
    await world.after(0);
    await world.after(30 * MIN);
    await world.after(15 * MIN);
    await world.after(10 * MIN);
    await world.after(5 * MIN);
    expect(receiver.events()).toEqual(["preparing", "active", "warned", "warned", "warned", "expired"]);
    const { body, headers, url } = receiver.posts[1] as Post;
    expect(url).toBe(URL);
    expect(JSON.parse(body)).toEqual({
      id: headers["gpu-dev-delivery"],
      event: "active",
      at: "2026-01-05T08:00:00.000Z",
      version: 3,
      detail: "ssh works",
      reservation: expect.objectContaining({ id, name: "train", access: "owner", webhook: null }),
    });
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers["gpu-dev-signature"] ?? "") ?? [];
    expect(t).toBe(String(Date.parse("2026-01-05T08:00:00.000Z") / 1000));
    const secret = webhook?.secret ?? "";
    expect(v1).toBe(createHmac("sha256", secret).update(`${t}.${body}`).digest("hex"));
    // Nothing more will come: the secret is gone.
    expect((await world.show(id)).webhook).toBeNull();
    expect([...(await world.rows("webhooks")), ...(await world.rows("deliveries"))]).toEqual([]);
  });

  test("one that waits is told when its turn comes, and one that is cancelled in the queue that it is", async () => {
    const first = await active({ duration_s: 3600 });
    for (let i = 0; i < 7; i++) await world.reserve();
    const waiting = await world.reserve({ webhook: URL });
    const cancelled = await world.reserve({ webhook: URL });
    await world.after(0);
    expect(receiver.posts).toEqual([]);
    await cancelReservation(world.core, world.ann, cancelled);
    await cancelReservation(world.core, world.ann, first);
    await world.after(0);
    const told = receiver.bodies().map(({ event, reservation }) => `${event} ${reservation.id}`);
    expect(told.toSorted()).toEqual(
      [`active ${waiting}`, `cancelled ${cancelled}`, `preparing ${waiting}`].toSorted(),
    );
  });

  test("what is not taken is posted again under the same id, rarer and rarer, until it is given up; then comes the next", async () => {
    receiver.answer = async () => "it answered with status 503";
    const id = await active();
    await cancelReservation(world.core, world.ann, id);
    await world.after(0);
    expect(receiver.events()).toEqual(["preparing"]);
    expect((await world.show(id)).webhook?.last_error).toBe("it answered with status 503");
    const due: number[] = [];
    for (;;) {
      const [next] = (await world.rows("deliveries")).toSorted((a, b) => a.version - b.version);
      if (next === undefined) break;
      due.push(Date.parse(next.next_try_at));
      await world.after(Math.max(0, Date.parse(next.next_try_at) - world.clock.now().getTime()));
    }
    // Ten tries of each, over about an hour.
    const tries = (event: string) => Array.from({ length: 10 }, () => event);
    expect(receiver.events()).toEqual(["preparing", "active", "cancelled"].flatMap(tries));
    const ids = receiver.posts.map(({ headers }) => headers["gpu-dev-delivery"]);
    expect(new Set(ids).size).toBe(3);
    const [first = 0, last = 0] = [due[0], due[8]].map(
      (at) => ((at ?? 0) - Date.parse("2026-01-05T08:00:00.000Z")) / MIN,
    );
    expect([first > 0.1, first < 0.2, last > 43, last < 65]).toEqual([true, true, true, true]);
    const given = (await history(id)).filter((e) => e.type === "webhook given up").map((e) => e.detail);
    expect(given).toEqual(
      ["preparing", "active", "cancelled"].map(
        (event) => `"${event}" could not be posted to ci.test in 10 tries: it answered with status 503`,
      ),
    );
    expect(await world.show(id)).toMatchObject({ state: "cancelled", webhook: null });
    await world.after(120 * MIN);
    expect(receiver.posts).toHaveLength(30);
  });

  test("two servers post what happened to one reservation one after the other, and then its secret is gone", async () => {
    const first = Promise.withResolvers<undefined>();
    receiver.answer = ({ headers }) =>
      headers["gpu-dev-event"] === "preparing" ? first.promise : Promise.resolve(undefined);
    const id = await world.reserve({ webhook: URL });
    await vi.waitFor(() => expect(receiver.events()).toEqual(["preparing"]), GUARD);
    const other = await worldOn(world.core.store, world.clock, world.driver, { webhooks: receiver });
    other.reconciler.start();
    const is = (state: string) =>
      vi.waitFor(async () => expect((await world.show(id)).state).toBe(state), GUARD);
    await is("active");
    await cancelReservation(world.core, world.ann, id);
    await is("cancelled");
    await other.reconciler.idle();
    expect(receiver.events()).toEqual(["preparing"]);
    first.resolve(undefined);
    await vi.waitFor(async () => expect(await world.rows("webhooks")).toEqual([]), GUARD);
    expect(receiver.events()).toEqual(["preparing", "active", "cancelled"]);
    await other.reconciler.stop();
  });

  test("what a receiver takes again clears the error", async () => {
    receiver.answer = async () => "connect ECONNREFUSED";
    const id = await active();
    receiver.answer = async () => undefined;
    await world.after(10_000);
    expect(receiver.events(1)).toEqual(["preparing", "active"]);
    expect((await world.show(id)).webhook?.last_error).toBeNull();
    expect(await world.rows("deliveries")).toEqual([]);
  });

  test("a receiver that does not answer holds up neither reservations nor other receivers", async () => {
    const never = Promise.withResolvers<undefined>();
    receiver.answer = ({ url }) => (url === URL ? never.promise : Promise.resolve(undefined));
    const of = (which: string) => receiver.posts.filter(({ url }) => url === which).length;
    const holders: string[] = [];
    for (let i = 0; i < 8; i++) holders.push(await active({}));
    await world.reconciler.stop();
    for (let i = 0; i < 12; i++)
      await cancelReservation(world.core, world.ann, await world.reserve({ webhook: URL }));
    const other = await world.reserve({ webhook: OTHER });
    await cancelReservation(world.core, world.ann, holders[0] ?? "");
    world.reconciler.start();
    await vi.waitFor(async () => expect((await world.show(other)).state).toBe("active"), GUARD);
    await vi.waitFor(() => expect(of(OTHER)).toBe(2), GUARD);
    expect(of(URL)).toBe(8);
    never.resolve(undefined);
    await world.after(0);
    expect(of(URL)).toBe(12);
  });

  test("what a server had in hand that died is posted by another one, under the same id", async () => {
    const never = Promise.withResolvers<undefined>();
    receiver.answer = () => never.promise;
    await endWithOnePost();
    const second = new Receiver();
    const other = await worldOn(world.core.store, world.clock, world.driver, { webhooks: second });
    other.reconciler.start();
    await other.reconciler.idle();
    expect(second.posts).toEqual([]);
    await other.after(30_000);
    const ids = (r: Receiver) => r.posts.map(({ headers }) => headers["gpu-dev-delivery"] ?? "").toSorted();
    expect(ids(second)).toEqual(ids(receiver));
    // The first one was not dead after all: what it settles now is not its own any more.
    never.resolve(undefined);
    await world.reconciler.idle();
    expect(await world.rows("deliveries")).toEqual([]);
    await other.reconciler.stop();
  });

  test("what is read so late that others may have claimed it is not posted, but by them", async () => {
    await world.reconciler.stop();
    await world.reserve({ webhook: URL });
    const { store, log } = world.core;
    const read: Store["read"] = (work) => store.read((db, now) => work(db, new Date(now.getTime() + 20_000)));
    const { signal } = new AbortController();
    const courier = createCourier(
      { ...world.core, store: { ...store, read } },
      createConditions(log),
      signal,
      () => undefined,
    );
    const now = world.clock.now();
    await courier.begin(now.toISOString(), now);
    await courier.done();
    expect(receiver.posts).toEqual([]);
    expect((await world.rows("deliveries")).map(({ tries }) => tries)).toEqual([1]);
    world.reconciler.start();
    await world.after(30_000);
    expect(receiver.events()).toEqual(["preparing", "active"]);
  });

  test("a server that stops lets go of what it posts, uncounted, and its successor posts it at once", async () => {
    receiver.answer = (_post, signal) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve("aborted")));
    await endWithOnePost();
    await world.reconciler.stop();
    expect((await world.rows("deliveries")).map(({ tries }) => tries)).toEqual([0]);
    receiver.answer = async () => undefined;
    world.reconciler.start();
    await world.reconciler.idle();
    expect(receiver.events()).toEqual(["cancelled", "cancelled"]);
  });

  test("another URL has another secret and gets what waits; none calls it off", async () => {
    receiver.answer = async () => "it answered with status 404";
    const id = await active();
    const before = (await world.show(id)).webhook?.secret;
    await patchReservation(world.core, world.ann, id, { webhook: "https://new.test/", name: "eval" });
    const { webhook, name } = await world.show(id);
    expect([name, webhook]).toEqual(["eval", expect.objectContaining({ url: "https://new.test/" })]);
    expect(webhook?.secret).not.toBe(before);
    await world.after(0);
    expect(receiver.posts.slice(1).map(({ url }) => url)).toEqual(["https://new.test/"]);
    await patchReservation(world.core, world.ann, id, { webhook: null });
    expect((await world.show(id)).webhook).toBeNull();
    await world.after(60 * MIN);
    expect(receiver.posts).toHaveLength(2);
    const entries = (await history(id)).filter((e) => e.type === "webhook").map((e) => e.detail);
    expect(entries).toEqual(["to new.test", "none"]);
  });

  test.each([
    ["that has what waits already", OTHER, ["delivered", "delivered"]],
    ["of the same host, that comes after", `${URL}&again`, ["retried", "delivered", "delivered"]],
  ])("the failure of the URL before is not told of a new one %s", async (_, url, outcomes) => {
    const before = Promise.withResolvers<string>();
    const told: string[] = [];
    const errors: unknown[] = [];
    receiver.answer = async (post) => {
      if (post.url === URL) return before.promise;
      errors.push((await world.show(id)).webhook?.last_error);
      return undefined;
    };
    world.core.signals.on("posted", (outcome) => told.push(outcome));
    const id = await world.reserve({ webhook: URL });
    await vi.waitFor(() => expect(receiver.events()).toEqual(["preparing"]), GUARD);
    await patchReservation(world.core, world.ann, id, { webhook: url });
    if (url === OTHER) await vi.waitFor(() => expect(told).toHaveLength(2), GUARD);
    before.resolve("it answered with status 503");
    await world.after(0);
    expect((await world.show(id)).webhook).toMatchObject({ url, last_error: null });
    await world.after(10_000);
    expect(told).toEqual(outcomes);
    expect(receiver.posts.slice(1).map((post) => post.url)).toEqual([url, url]);
    expect(errors).toEqual([null, null]);
  });

  test("A-08 a request that comes again gets the webhook as it is by then: neither URL nor secret is kept with its answer", async () => {
    const input = { gpu_type: "h100", duration_s: 3600, webhook: URL };
    const once = () => createReservation(world.core, world.ann, input, { key: "key", requestHash: "hash" });
    const { reservation, replayed } = await once();
    expect([replayed, reservation.webhook]).toEqual([
      false,
      { url: URL, secret: expect.stringMatching(/^whsec_/), last_error: null },
    ]);
    expect(await once()).toEqual({ reservation, replayed: true });
    const kept = JSON.stringify(await world.rows("idempotency_keys"));
    expect(kept).toContain(reservation.id);
    for (const secret of ["K_3_Y", "whsec_"]) expect(kept).not.toContain(secret);
    await world.after(0);
    await cancelReservation(world.core, world.ann, reservation.id);
    await world.after(0);
    expect(await once()).toEqual({ reservation: { ...reservation, webhook: null }, replayed: true });
  });

  test("only its owner sees it: no collaborator, no pod, no history, no log", async () => {
    receiver.answer = async () => "it answered with status 500";
    const id = await active();
    await patchReservation(world.core, world.ann, id, { add_users: ["bob"] });
    expect((await world.show(id, world.bob)).webhook).toBeNull();
    const [listed] = (await listReservations(world.core, world.bob, {})).items;
    expect(listed).toMatchObject({ id, webhook: null });
    expect((await world.show(id, { ...world.ann, reservationId: id })).webhook).toBeNull();
    await patchReservation(world.core, world.ann, id, { webhook: `${URL}&again` });
    const told = JSON.stringify([await history(id), world.logs, await world.rows("audit")]);
    expect(told).toContain("ci.test");
    for (const secret of ["K_3_Y", "pw@", "/hook", "whsec_"]) expect(told).not.toContain(secret);
  });

  test("a change that is undone sets no webhook and posts nothing", async () => {
    const id = await active();
    const tooLong = { extend_s: 100 * 3600, webhook: OTHER, name: "eval" };
    await expect(patchReservation(world.core, world.ann, id, tooLong)).rejects.toMatchObject({
      code: "over_maximum",
    });
    expect(await world.show(id)).toMatchObject({ name: null, version: 3, webhook: { url: URL } });
    await patchReservation(world.core, world.ann, id, { ...tooLong, extend_s: 3600 });
    expect(await world.show(id)).toMatchObject({ name: "eval", duration_s: 7200, webhook: { url: OTHER } });
    await world.after(0);
    expect(receiver.events()).toEqual(["preparing", "active"]);
  });

  test("what would never be posted to is refused, and nothing is created or changed", async () => {
    const refused = { code: "invalid_input", message: "webhook: private.test is not a public address" };
    await expect(world.reserve({ webhook: "http://private.test/" })).rejects.toMatchObject(refused);
    expect(await world.rows("reservations")).toEqual([]);
    const id = await active({});
    const change = patchReservation(world.core, world.ann, id, {
      webhook: "http://private.test/",
      name: "x",
    });
    await expect(change).rejects.toMatchObject(refused);
    expect(await world.show(id)).toMatchObject({ name: null, webhook: null });
    expect(receiver.posts).toEqual([]);
  });
});
