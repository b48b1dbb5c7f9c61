/** `gpu-dev show --usage`: its forms, and watching. */
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { NodeUsage, PodUsage } from "../../src/api/pod-usage.ts";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type WorldOptions } from "./helpers/world.ts";

const node = (rank: number, given: Partial<NodeUsage> = {}): NodeUsage => ({
  rank,
  node: `node-${rank}`,
  error: null,
  cpu: { used_millicpus: 500, of_millicpus: 1000 },
  memory: { used_bytes: 10 ** 9, of_bytes: 10 ** 9 },
  gpus: [{ index: 3, busy_percent: 1, used_bytes: 0, of_bytes: 8 * 10 ** 10 }],
  network: { received_bytes: 5000, sent_bytes: 10, received_bytes_per_s: 1500, sent_bytes_per_s: 0 },
  home: null,
  unknown: [{ part: "home", reason: "it is\u001b[2J away" }],
  ...given,
});
const usage = (at: string, ...nodes: NodeUsage[]): PodUsage => ({
  id: "abcdefghijklmnopqrst",
  name: null,
  at: `2026-01-01T12:00:${at}.000Z`,
  nodes,
});
const over = new Problem("not_active", "reservation hello is expired: its time is over");

function worldWith(answer: () => PodUsage | Problem, options: WorldOptions = {}) {
  return createWorld({
    ...options,
    handlers: {
      listReservations: () => page(reservation()),
      getReservation: () => reservation(),
      getUsage: answer,
    },
  });
}

test("C-13 a terminal gets bars that are readable without colours, within 80 columns", async () => {
  const world = worldWith(() => usage("00", node(0)), { terminal: true, env: { NO_COLOR: "1" } });
  const { code, stdout } = await world.gpuDev("show hello --usage");
  expect(code).toBe(0);
  expect(stdout.split("\n")).toEqual([
    "id       abcdefghijklmnopqrst",
    "node     node-0",
    "cpu      ████████░░░░░░░░  50%  0.50 of 1 CPU",
    "memory   ████████████████ 100%  1G of 1G",
    "gpu 3    █░░░░░░░░░░░░░░░   1%  ░░░░░░░░░░░░░░░░   0%  0B of 80G",
    "network  in 1.5K/s, out 0B/s; 5K and 10B so far",
    "home     unknown: it is [2J away",
    "",
  ]);
});

test("C-13 a pipe gets the figures, and of several nodes each line says whose", async () => {
  const away = node(1, {
    cpu: null,
    memory: null,
    gpus: null,
    network: null,
    unknown: [],
    error: "it is away",
  });
  const { stdout } = await worldWith(() => usage("00", node(0), away)).gpuDev("show hello --usage");
  expect(stdout.split("\n")).toEqual([
    "id\tabcdefghijklmnopqrst",
    "node 0\tnode-0",
    "node 0 cpu\t0.5\t1",
    "node 0 memory\t1000000000\t1000000000",
    "node 0 gpu 3\t1\t0\t80000000000",
    "node 0 network\t1500\t0\t5000\t10",
    "node 0 home\tunknown: it is [2J away",
    "node 1\tnode-1",
    "node 1 unknown\tit is away",
    "",
  ]);
});

test("C-01 --watch --json is one document for each change, until it is not active any more", async () => {
  const answers = [usage("00", node(0)), usage("01", node(0)), usage("02", node(0, { cpu: null }))];
  const world = worldWith(() => answers.shift() ?? over);
  const done = await world.gpuDev("show hello --usage --watch --json");
  expect(done.code).toBe(0);
  const lines = done.stdout.trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as PodUsage).at.slice(17, 19))).toEqual(["00", "02"]);
  expect(done.stderr).toContain("reservation hello is expired: its time is over");
});

test("on a terminal --watch draws the bars again in the same place", async () => {
  const answers = [node(0), node(0, { cpu: { used_millicpus: 1000, of_millicpus: 1000 } })].map((one) =>
    usage("00", one),
  );
  const world = worldWith(() => answers.shift() ?? over, { terminal: true, env: { NO_COLOR: "1" } });
  const { stdout } = await world.gpuDev("show hello --usage -w");
  const [first = "", second = ""] = stdout.split("\u001b[7A\r\u001b[0J");
  expect(first).toContain("████████░░░░░░░░  50%  0.50 of 1 CPU\n");
  expect(second).toContain("████████████████ 100%  1.00 of 1 CPU\n");
});

test.each(["show hello --usage", "show hello --usage --watch"])(
  "C-02 %s of one that is not active is refused with what it is, exit 9",
  async (typed) => {
    const done = await worldWith(() => over).gpuDev(typed);
    expect(done).toMatchObject({ code: 9, stdout: "" });
    expect(done.stderr).toContain("is expired: its time is over");
  },
);

test("C-16 a watch stops at its bound, exit 8; --why does not go with it, exit 2", async () => {
  const world = worldWith(() => usage("00", node(0)));
  expect((await world.gpuDev("show hello --usage --watch --timeout 10s")).code).toBe(8);
  const both = await world.gpuDev("show hello --usage --why");
  expect(both).toMatchObject({ code: 2, stdout: "" });
  expect(both.stderr).toContain("cannot be combined");
});
