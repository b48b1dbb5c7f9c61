/** What is said of a reservation: by the route, and followed. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProblemDocument } from "../../src/api/errors.ts";
import type { LogPage } from "../../src/api/logs.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";
import { openStream, type StreamClient } from "./stream-client.ts";

describe.each(engines)("logs on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let id: string;
  const open: StreamClient[] = [];
  beforeEach(async () => {
    rig = await openRig(engine);
    alice = await rig.person("alice");
    id = (await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } })).id;
    await rig.settle();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.cut();
    await rig.close();
  });

  /** The pod says it so long after the present time of the clock. */
  const say = (text: string, laterS = 0, pod = `${id}-1`): void => {
    const at = new Date(rig.clock.now().getTime() + laterS * 1000).toISOString();
    rig.driver.said.set(pod, [...(rig.driver.said.get(pod) ?? []), { at, text }]);
  };
  const logs = (query: Record<string, string> = {}) => alice.api.listLogs({ params: { id }, query });
  const words = ({ items }: LogPage): string[] => items.map(({ source, text }) => `${source} ${text}`);
  const follow = async (query = "", lastEventId?: string): Promise<StreamClient> => {
    const client = await openStream(
      `${await rig.listen()}/v1/reservations/${id}/logs${query}`,
      alice,
      {},
      lastEventId,
    );
    open.push(client);
    return client;
  };
  const LIFE = ["life created", "life preparing", "life active: ssh works"];
  const heads = (page: LogPage): string[] =>
    words(page).map((line) => LIFE.find((head) => line.startsWith(head)) ?? line);

  test("history and pod's lines come in the order of their times, bounded as asked", async () => {
    say("before all", -60);
    say("after all", 60);
    expect(heads(await logs())).toEqual(["pod before all", ...LIFE, "pod after all"]);
    expect(words(await logs({ tail: "1" }))).toEqual(["pod after all"]);
    expect(words(await logs({ tail: "0" }))).toEqual([]);
    expect(heads(await logs({ source: "life" }))).toEqual(LIFE);
    expect(words(await logs({ source: "pod" }))).toEqual(["pod before all", "pod after all"]);
    const since = new Date(rig.clock.now().getTime() + 30_000).toISOString();
    expect(words(await logs({ since }))).toEqual(["pod after all"]);
  });

  test("what comes later is asked for with the position, each line once", async () => {
    say("one", 1);
    const { position, ended } = await logs();
    expect(ended).toBe(false);
    expect(words(await logs({ after: position }))).toEqual([]);
    say("two", 2);
    await alice.api.patchReservation({ params: { id }, body: { name: "train" } });
    const next = await logs({ after: position });
    expect(words(next).toSorted()).toEqual([expect.stringMatching(/^life renamed/), "pod two"]);
    expect(words(await logs({ after: next.position }))).toEqual([]);
  });

  test("one that has ended still shows its life and what was kept of its pod", async () => {
    say("last words", -1);
    await alice.api.cancelReservation({ params: { id } });
    await rig.settle();
    expect(rig.driver.pods.size).toBe(0);
    const page = await logs();
    expect(page.ended).toBe(true);
    expect(words(page)).toContain("pod last words");
    expect(words(page).at(-1)).toMatch(/^life cancelled/);
  });

  test("the lines of an earlier launch come before those of the present one", async () => {
    say("first launch");
    const { position } = await logs({ source: "pod" });
    await rig.core.store.write(({ db }) =>
      db.updateTable("reservations").set({ attempt: 2 }).where("id", "=", id).execute(),
    );
    say("too late to be seen");
    say("second launch", 1, `${id}-2`);
    expect(words(await logs({ source: "pod" }))).toEqual(
      ["first launch", "too late to be seen", "second launch"].map((text) => `pod ${text}`),
    );
    expect(words(await logs({ source: "pod", after: position }))).toEqual([
      "pod too late to be seen",
      "pod second launch",
    ]);
  });

  test("A-02 who it is shared with reads it; to others it does not exist", async () => {
    const bob = await rig.person("bob");
    const asBob = () => bob.api.listLogs({ params: { id }, query: {} });
    await expect(asBob()).rejects.toMatchObject({ problem: { code: "not_found" } });
    const path = `/v1/reservations/${id}/logs`;
    const stream = await rig.request(bob, path, { headers: { accept: "text/event-stream" } });
    expect((await problemOf(stream)).code).toBe("not_found");
    await alice.api.patchReservation({ params: { id }, body: { add_users: ["bob"] } });
    expect(heads(await asBob()).slice(0, 3)).toEqual(LIFE);
  });

  test("A-05 what cannot be asked is refused with the field", async () => {
    const wrong: Record<string, string> = {
      tail: "1001",
      since: "yesterday",
      source: "both",
      node: "1",
      after: "1.2",
      follow: "1",
    };
    for (const [field, value] of Object.entries(wrong)) {
      const refused = await rig.request(alice, `/v1/reservations/${id}/logs?${field}=${value}`, {});
      expect(await problemOf(refused)).toMatchObject({ code: "invalid_input", errors: [{ field }] });
    }
    const headers = { accept: "text/event-stream", "last-event-id": "7" };
    const refused = await rig.request(alice, `/v1/reservations/${id}/logs`, { headers });
    expect((await problemOf(refused)).errors?.[0]?.field).toBe("Last-Event-ID");
  });

  test("C-04 a driver that cannot be asked is said, never an empty log; the history goes without it", async () => {
    rig.driver.faults.set("logs", new DriverError("the node is away"));
    const partly = await logs();
    expect(heads(partly)).toEqual(LIFE);
    expect(partly.missing).toBe("what the pod said cannot be read now: the node is away");
    const refused = await problemOf(await rig.request(alice, `/v1/reservations/${id}/logs?source=pod`, {}));
    expect(refused).toMatchObject({ code: "unavailable", retryable: true });
    expect(refused.detail).toContain("the node is away");
    expect(heads(await logs({ source: "life" }))).toEqual(LIFE);
    const client = await follow("?source=pod");
    expect((await client.until<ProblemDocument>("problem")).code).toBe("unavailable");
    await client.over;
    say("one");
    const both = await follow();
    expect((await both.until<LogPage>("lines")).missing).toContain("the node is away");
    rig.driver.faults.clear();
    // What it said meanwhile comes as soon as it can be read.
    await both.until<LogPage>("lines", (page) => words(page).includes("pod one"));
    both.cut();
  });

  test("A-13 who follows gets each line once, as it comes, and the end", async () => {
    say("one");
    const client = await follow("?source=pod");
    const got = () => client.of<LogPage>("lines").flatMap(words);
    await client.until<LogPage>("lines", (page) => words(page).includes("pod one"));
    say("two");
    await client.until<LogPage>("lines", (page) => words(page).includes("pod two"));
    await alice.api.cancelReservation({ params: { id } });
    await rig.settle();
    await client.over;
    expect(got()).toEqual(["pod one", "pod two"]);
    expect(client.of("end")).toEqual([{ state: "cancelled" }]);
  });

  test("a client resumes where it was, by the id of the last event", async () => {
    say("one", 1);
    const first = await follow("?tail=1");
    await first.until<LogPage>("lines", (page) => words(page).includes("pod one"));
    expect(first.of<LogPage>("lines").flatMap(words)).toEqual(["pod one"]);
    first.cut();
    say("two", 2);
    say("three", 3);
    const second = await follow("?tail=1", first.reader.lastEventId);
    await second.until<LogPage>("lines", (page) => words(page).includes("pod three"));
    expect(second.of<LogPage>("lines").flatMap(words)).toEqual(["pod two", "pod three"]);
  });
});
