import { describe, expect, test } from "vitest";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const mine = reservation({
  collaborators: [
    { kind: "user", name: "bob", keys: null },
    { kind: "github", name: "octocat", keys: 2 },
  ],
});
const shared = reservation({
  id: "zbcdefghijklmnopqrst",
  owner: "cem",
  access: "collaborator",
  host_key: null,
});
const deployment = { id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" };

const world = (...all: (typeof mine)[]) =>
  createWorld({
    terminal: true,
    handlers: {
      listReservations: ({ query }) =>
        page(...all.filter((r) => query.name === undefined || r.name === query.name)),
      patchReservation: () => mine,
      listEvents: () => page(),
      getDeployment: () => deployment,
    },
  });

describe("sharing", () => {
  test("edit sends whom to add and remove, and show says whom it is shared with", async () => {
    const w = world(mine);
    const done = await w.gpuDev(
      "edit hello --no-color --add-user bob --add-user github:octocat --remove-user cem",
    );
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/shared with +bob, github:octocat \(2 keys\)/);
    const { body } = w.server.requests.find((r) => r.route === "patchReservation") ?? {};
    expect(body).toEqual({ add_users: ["bob", "github:octocat"], remove_users: ["cem"] });
  });

  test.each([
    ["--add-user github:-x", 'names nobody: "-" stands neither at an end nor twice in a row'],
    [`--remove-user github:${"x".repeat(40)}`, "40 characters are too many; at most 39"],
    ["--add-user github:a_b", '"_" is not allowed'],
    ["--add-user bob --extend 1h", "do not go with --name, --extend and --webhook"],
    ["", "Nothing to change: give --name, --extend, --webhook, --add-user or --remove-user"],
  ])("C-10 edit hello %s is refused before anything is sent", async (flags, why) => {
    const w = world(mine);
    const done = await w.gpuDev(`edit hello ${flags}`);
    expect(done.code).toBe(2);
    expect(done.stderr).toContain(why);
    expect(w.server.requests).toEqual([]);
  });

  test("C-12 of two with one name your own is meant; of two that are shared with you neither", async () => {
    const own = await world(shared, mine).gpuDev("show hello --json");
    expect(JSON.parse(own.stdout)).toMatchObject({ id: mine.id });
    const other = { ...shared, id: "ybcdefghijklmnopqrst", owner: "dan" };
    const both = await world(shared, other).gpuDev("show hello --no-color");
    expect(both.code).toBe(2);
    expect(both.stderr).toContain('"hello" is the name of several');
    expect(both.stderr).toContain(`${other.id}  hello  active  dan`);
  });

  test("inside a pod show and cancel mean its own reservation, and ask for nothing else", async () => {
    const own = reservation({ access: "pod" });
    const w = createWorld({
      env: { GPU_DEV_POD: `${own.id}-1`, GPU_DEV_RESERVATION_ID: own.id },
      handlers: {
        getReservation: ({ params }) => ({ ...own, id: params.id }),
        listEvents: () => page(),
        cancelReservation: () => ({ ...own, state: "cancelled", ended_at: "2026-01-01T12:00:00.000Z" }),
      },
    });
    const shown = await w.gpuDev("show --json");
    expect(JSON.parse(shown.stdout)).toMatchObject({ id: own.id });
    expect(await w.gpuDev("cancel")).toMatchObject({ code: 0, stderr: "" });
    expect(w.server.requests.at(-1)).toMatchObject({ route: "cancelReservation", params: { id: own.id } });
  });

  test("C-18 outside of a pod cancel says what is missing", async () => {
    const done = await world(mine).gpuDev("cancel --no-input");
    expect(done.code).toBe(2);
    expect(done.stderr).toContain("missing required argument 'reservation': its id or name");
  });

  test("show says since when it is idle, and when it ends for that, in local time", async () => {
    const idle = { idle_since: "2026-01-01T11:02:30.000Z", idle_ends_at: "2026-01-01T13:02:30.000Z" };
    const local = (instant: string) => new Date(instant).toTimeString().slice(0, 5);
    const done = await world({ ...mine, ...idle }).gpuDev("show hello --no-color");
    const [since, end] = [local(idle.idle_since), local(idle.idle_ends_at)];
    expect(done.stdout).toContain(`since ${since}, ends at ${end} unless it is used`);
  });

  test("list and show say whose it is when it is not yours", async () => {
    const list = await world(shared, mine).gpuDev("list --no-color");
    const [header, first, second] = list.stdout.split("\n");
    expect(header).toMatch(/OWNER$/);
    expect(first).toMatch(/cem$/);
    expect(second).toMatch(/ago$/);
    const show = await world(shared).gpuDev("show hello --no-color");
    expect(show.stdout).toMatch(/owner +cem, who shares it with you/);
  });
});
