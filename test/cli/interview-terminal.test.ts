/** The questions of `reserve` on a real terminal (tmux): arrow keys, widths, scrolling, colours, Ctrl-C. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { gpuType, page, queued } from "./helpers/fake-server.ts";
import { createServedTerminals, type Terminal } from "./helpers/tmux.ts";

const NAMES = Array.from({ length: 30 }, (_, i) => `type-${i + 1}`);
const ended = { timeout: 60_000, interval: 50 };

let terminals: Awaited<ReturnType<typeof createServedTerminals>>;
/** What was sent to be reserved, and the free GPUs of the types. */
let sent: unknown[] = [];
let free = 0;

const public_key = expect.stringContaining("ssh-ed25519 ");

beforeAll(async () => {
  terminals = await createServedTerminals(answerOf);
});
afterAll(() => terminals.close());
beforeEach(() => {
  sent = [];
});

function answerOf(route: string, body: string): unknown {
  if (route === "POST /v1/reservations") {
    sent.push(JSON.parse(body));
    return queued({ name: "train" });
  }
  const answers: Record<string, unknown> = {
    "GET /v1/availability": page(...NAMES.map(available)),
    "GET /v1/gpu-types": page(...NAMES.map((name) => gpuType({ name }))),
    "POST /v1/reservations/plan": { queue_position: null, latest_start_at: null },
    "GET /v1/disks": page(),
    "GET /v1/deployment": { domain: "gpu-dev.internal" },
  };
  return answers[route] ?? page();
}

const available = (gpu_type: string) => ({
  ...{
    gpu_type,
    unit: "gpu",
    total: 32,
    free: ++free,
    used: 0,
    unavailable: 0,
    closed_nodes: [],
    node_labels: {},
    queued: 0,
    simulated: true,
  },
  ...{ isolation: "namespaces", max_duration_s: 172_800, latest_start_at: "2026-01-01T12:00:00.000Z" },
});

const open = (name: string, columns: number, env = "", flag = ""): Promise<Terminal> =>
  terminals.open(name, columns, `reserve --no-wait ${flag}`, env);

const lines = (screen: string): string[] => screen.split("\n").filter(Boolean);

test.each([60, 80, 200])(
  "C-13 C-17 on %d columns the types fit, more than the terminal is high scroll, and Ctrl-C changes nothing",
  async (columns) => {
    const { screen, type } = await open(`wide-${columns}`, columns);
    await expect.poll(screen, ended).toContain("navigate");
    const shown = await screen();
    expect(shown).toMatch(/TYPE +.*FREE +.*QUEUED +.*START/);
    // The question, the head, what the keys do, and a line for each type between them.
    expect(lines(shown)).toHaveLength(21);
    expect(lines(shown).filter((line) => line.includes("type-"))).toHaveLength(18);
    await type(...NAMES.map(() => "Down"));
    await expect.poll(screen, ended).toContain("❯ Look again");
    expect(await screen()).toMatch(/TYPE +.*FREE/);
    await type("C-c");
    await expect.poll(screen, ended).toContain("exit 3");
    expect(sent).toEqual([]);
  },
);

test("C-17 arrow keys choose, what is looked up again is new, and the line is printed at the end", async () => {
  const { screen, type } = await open("walk", 80);
  await expect.poll(screen, ended).toContain("navigate");
  const before = /type-1 +32 +(\d+)/.exec(await screen())?.[1];
  // The last line, from where the first one is reached by going up.
  await type(...NAMES.map(() => "Down"), "Enter");
  await expect.poll(screen, ended).toMatch(/Look again[\s\S]*Look again/);
  await type(...NAMES.map(() => "Up"));
  await expect.poll(screen, ended).toMatch(/❯ type-1 /);
  expect(/type-1 +32 +(\d+)/.exec(await screen())?.[1]).not.toBe(before);
  await type("Down", "Enter");
  await expect.poll(screen, ended).toContain("How many GPUs");
  await type("Down", "Down", "Enter");
  await expect.poll(screen, ended).toContain("How long");
  await type("5", "Enter");
  await expect.poll(screen, ended).toContain("has no unit");
  await type("BSpace", "90m", "Enter");
  await expect.poll(screen, ended).toContain("Name");
  await type("Train_1", "Enter");
  await expect.poll(screen, ended).toContain("cannot be a name");
  await type("C-u", "train", "Enter");
  await expect.poll(screen, ended).toContain("exit 0");
  expect(sent).toEqual([{ gpu_type: "type-2", gpu_count: 3, duration_s: 5400, name: "train", public_key }]);
  expect((await screen()).replace(/\s+/g, " ")).toContain(
    "gpu-dev reserve --gpu-type type-2 --gpus 3 --time 1h30m --name train --no-wait",
  );
});

test.each(["NO_COLOR=1", "--no-color"])("C-20 with %s the questions have no colour", async (how) => {
  const env = how.startsWith("--") ? "" : how;
  const { screen, type } = await open(how.replace(/\W/g, "x"), 80, env, how.startsWith("--") ? how : "");
  await expect.poll(screen, ended).toContain("❯ type-1 ");
  expect(await screen()).not.toContain("\u001b[3");
  await type("C-c");
  await expect.poll(screen, ended).toContain("exit 3");
});

test("C-17 C-20 on a dumb terminal the questions are lines, and nothing moves the cursor", async () => {
  const { screen, type, raw } = await open("dumb", 80, "TERM=dumb");
  // More than the terminal is high: it has scrolled.
  await expect
    .poll(raw, ended)
    .toMatch(/Which GPU type\?[\s\S]*\n 1\) type-1 [\s\S]*\n31\) Look again[\s\S]*Number/);
  await type("32", "Enter");
  await expect.poll(screen, ended).toContain("Give a number from 1 to 31.");
  await type("2", "Enter");
  await expect.poll(screen, ended).toContain("How many GPUs");
  await type("3", "Enter");
  await expect.poll(screen, ended).toMatch(/How long.*\(/);
  await type("5", "Enter");
  await expect.poll(screen, ended).toContain("has no unit");
  await type("90m", "Enter");
  await expect.poll(screen, ended).toContain("Name");
  await type("Enter");
  await expect.poll(screen, ended).toContain("exit 0");
  expect(sent).toEqual([{ gpu_type: "type-2", gpu_count: 3, duration_s: 5400, public_key }]);
  expect(await raw()).not.toContain("\u001b");
});

test.each(["C-c", "C-d"])("C-17 %s on a dumb terminal changes nothing", async (key) => {
  const { screen, type } = await open(`dumb-${key}`, 80, "TERM=dumb");
  await expect.poll(screen, ended).toContain("Number");
  await type(key);
  await expect.poll(screen, ended).toContain("exit 3");
  expect(sent).toEqual([]);
});

test.each(["xterm-256color", "dumb"])(
  "C-21 a token is not shown while it is typed, TERM=%s",
  async (term) => {
    const line = `login ${terminals.url}`;
    const env = `TERM=${term} GPU_DEV_TOKEN= GPU_DEV_URL=`;
    const { screen, type, raw } = await terminals.open(`secret-${term}`, 80, line, env);
    await expect.poll(screen, ended).toContain("Token for");
    await type("gd_hidden", "Enter");
    await expect.poll(screen, ended).toMatch(/exit \d/);
    expect(await raw()).not.toContain("hidden");
  },
);
