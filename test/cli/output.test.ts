import { expect, test } from "vitest";
import { createScreen } from "../../src/cli/output/screen.ts";
import { width } from "../../src/cli/output/text.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const list = (...items: object[]) => ({
  listReservations: () => page(...items),
  getDeployment: () => deployment,
});
const deployment = { id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" };
const ESC = String.fromCharCode(27);

test("C-01 C-13 a pipe gets tab-separated full values and ISO times, and nothing else", async () => {
  const world = createWorld({
    handlers: list(reservation({ simulated: true }), queued({ id: "zbcdefghijklmnopqrst", name: null })),
  });
  const done = await world.gpuDev("list");
  expect(done.stdout.split("\n")).toEqual([
    "hello\tabcdefghijklmnopqrst\tactive\t2 × h100 (simulated)\t2026-01-01T12:30:00.000Z\t2026-01-01T11:00:00.000Z\t\tada",
    "\tzbcdefghijklmnopqrst\tqueued\t2 × h100\tunknown\t2026-01-01T11:00:00.000Z\t\tada",
    "",
  ]);
});

test("C-13 a terminal gets a table without empty columns, cut only with an ellipsis", async () => {
  const reason = "the node is busy with something that takes very many words to tell, and then some more";
  const world = createWorld({ handlers: list(reservation(), queued({ reason, name: "w" })), terminal: true });
  const done = await world.gpuDev("list --no-color");
  const lines = done.stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^NAME +ID +STATE +GPUS +TIME +CREATED +REASON$/);
  expect(lines[1]).toMatch(/^hello +abcdefgh +active +2 × h100 +30m left +1h ago$/);
  expect(lines[2]).toContain("…");
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
  expect(
    (await createWorld({ handlers: list(reservation()), terminal: true }).gpuDev("list")).stdout,
  ).not.toContain("REASON");
});

test("C-13 wide characters keep the columns in line", async () => {
  const handlers = list(
    reservation({ name: "日本語" }),
    reservation({ name: "e\u0301te\u0301" }),
    reservation(),
  );
  const done = await createWorld({ handlers, terminal: true }).gpuDev("list --no-color");
  const starts = done.stdout
    .split("\n")
    .slice(1, 4)
    .map((line) => width(line.slice(0, line.indexOf("abcdefgh"))));
  expect(new Set(starts)).toEqual(new Set([8]));
});

test("C-01 --json is the API's object, one document, wherever the flag stands", async () => {
  const world = createWorld({ handlers: list(reservation()) });
  for (const line of ["list --json", "--json list", "list -a --json"]) {
    const done = await world.gpuDev(line);
    expect(JSON.parse(done.stdout)).toEqual({ items: [reservation()] });
  }
});

test("an empty list is exit 0 with the next step on stderr", async () => {
  const world = createWorld({ handlers: list() });
  const done = await world.gpuDev("list");
  expect(done).toMatchObject({ code: 0, stdout: "" });
  expect(done.stderr).toContain("gpu-dev reserve");
  expect(JSON.parse((await world.gpuDev("list --json")).stdout)).toEqual({ items: [] });
});

test("C-15 a time without a zone is UTC, and a malformed row does not hide the others", async () => {
  const world = createWorld();
  const odd = { ...reservation({ name: "odd" }), ends_at: "soon", created_at: "yesterday" };
  const plain = { ...reservation({ name: "plain" }), ends_at: "2026-01-01T12:30:00" };
  // A server that breaks the contract: the reply is sent as it is.
  world.server.handlers = {
    listReservations: () => ({
      raw: JSON.stringify(page(odd, plain)),
      status: 200,
      type: "application/json",
    }),
  };
  const done = await world.gpuDev("list --all");
  expect(done.code).toBe(0);
  expect(done.stdout).toContain("odd\tabcdefghijklmnopqrst\tactive\t2 × h100\tsoon\tyesterday");
  expect(done.stdout).toContain("plain\tabcdefghijklmnopqrst\tactive\t2 × h100\t2026-01-01T12:30:00.000Z");
});

test("text from the server cannot move the cursor or break a line", async () => {
  const reason = `${ESC}[2Jgone\nnext\u009b31m\u202etxt`;
  for (const terminal of [true, false]) {
    const world = createWorld({ handlers: list(queued({ reason })), terminal });
    const done = await world.gpuDev("list --no-color");
    expect(done.stdout).not.toMatch(new RegExp(`[${ESC}\u009b\u202e]`));
    expect(done.stdout.trimEnd().split("\n")).toHaveLength(terminal ? 2 : 1);
  }
  const json = await createWorld({ handlers: list(queued({ reason })) }).gpuDev("list --json");
  expect(json.stdout).not.toMatch(new RegExp(`[${ESC}\u009b]`));
  expect(JSON.parse(json.stdout).items[0].reason).toBe(reason);
});

test.each([
  [true, {}, "", true],
  [true, { NO_COLOR: "1" }, "", false],
  [true, { TERM: "dumb" }, "", false],
  [true, {}, "--no-color", false],
  [true, { FORCE_COLOR: "1" }, "--no-color", false],
  [true, { FORCE_COLOR: "0" }, "", false],
  [true, { FORCE_COLOR: "1", NO_COLOR: "1" }, "", true],
  [false, {}, "", false],
])("C-20 colour: terminal %s, %j, %s", async (terminal, env, flag, coloured) => {
  const world = createWorld({ handlers: list(reservation()), terminal, env: { TERM: "xterm", ...env } });
  expect((await world.gpuDev(`list ${flag}`)).stdout.includes(ESC)).toBe(coloured);
  expect((await world.gpuDev(`lst ${flag}`)).stderr.includes(ESC)).toBe(coloured);
});

test("C-14 filters are applied by the server, page after page", async () => {
  const world = createWorld();
  world.server.handlers = {
    listReservations: ({ query }) =>
      query.cursor === undefined
        ? { items: [reservation({ name: "one" })], next_cursor: "c2" }
        : page(reservation({ name: "two" })),
  };
  const done = await world.gpuDev("list --state failed");
  expect(done.stdout.split("\n").map((line) => line.split("\t")[0])).toEqual(["one", "two", ""]);
  expect(world.server.requests.map((r) => r.query)).toEqual([
    { state: "failed", limit: "500" },
    { state: "failed", limit: "500", cursor: "c2" },
  ]);
});

test("C-08 C-28 avail and status show the same counts, types without GPUs in places", async () => {
  const base = {
    used: 1,
    unavailable: 1,
    closed_nodes: [],
    node_labels: {},
    queued: 0,
    isolation: "namespaces",
    max_duration_s: 172_800,
    latest_start_at: null,
  };
  const items = [
    { ...base, gpu_type: "h100", unit: "gpu" as const, total: 8, free: 6, simulated: true },
    { ...base, gpu_type: "cpu", unit: "place" as const, total: 2, free: 0, simulated: false },
  ];
  const world = createWorld({
    handlers: {
      listAvailability: () => page(...items),
      getReady: () => ({ status: "ok" as const, checks: { database: "ok" } }),
      getDeployment: () => deployment,
    },
  });
  const avail = await world.gpuDev("avail");
  expect(avail.stdout).toBe(
    "h100\t8\t6\t1\t1\t0\tgpu\tnow\t172800\tnamespaces\tsimulated\ncpu\t2\t0\t1\t1\t0\tplace\tunknown\t172800\tnamespaces\t\n",
  );
  const status = await world.gpuDev("status");
  expect(status.stdout).toBe(avail.stdout);
  expect(status.stderr).toContain("Server 1.0.0 at http://gpu.test (set by GPU_DEV_URL): ok");

  const services = { "github-keys": "down" as const, oidc: "ok" as const };
  world.server.handlers.getReady = () => ({ status: "ok" as const, checks: {}, services });
  const partly = await world.gpuDev("status");
  expect(partly.code).toBe(0);
  expect(partly.stderr).toContain("ok\ngithub-keys does not answer the server; what needs it has to wait.\n");
});

test("what is drawn again replaces all rows that it took, wrapped lines and colours included", () => {
  let written = "";
  const screen = createScreen({ isTTY: true, columns: 10, rows: 6, write: (text) => (written += text) });
  screen.draw("\u001b[1mtwelve wide!\u001b[22m\nshort\n");
  expect(written).toBe("\r\u001b[0J\u001b[1mtwelve wide!\u001b[22m\nshort\n");
  written = "";
  screen.draw("\u001b[1mtwelve wide!\u001b[22m\nshort\n");
  expect(written).toBe("");
  screen.draw("one\n");
  expect(written).toBe("\u001b[3A\r\u001b[0Jone\n");
  written = "";
  screen.draw("1\n2\n3\n4\n5\n6\n7\n");
  expect(written).toBe("\u001b[1A\r\u001b[0J1\n2\n3\n4\n… 3 more lines\n");
});
