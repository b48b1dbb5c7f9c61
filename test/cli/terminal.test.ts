/** The built command on a real terminal (tmux): widths, colours and Ctrl-C. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createServedTerminals, type Terminal } from "./helpers/tmux.ts";

const GREEN = "38;5;28m";
let terminals: Awaited<ReturnType<typeof createServedTerminals>>;

beforeAll(async () => {
  const items = [
    reservation({ name: "a-name-of-some-length", simulated: true }),
    queued({ id: "zbcdefghijklmnopqrst", name: "eval", reason: `waits for ${"GPUs and ".repeat(20)}` }),
  ];
  terminals = await createServedTerminals((route) =>
    route === "GET /v1/deployment" ? { domain: "gpu-dev.internal" } : page(...items),
  );
});
afterAll(() => terminals.close());

/** A terminal so wide in which `gpu-dev LINE` runs. */
const terminal = (name: string, columns: number, line: string): Promise<Terminal> =>
  terminals.open(name, columns, line);

const ended = { timeout: 60_000, interval: 50 };
const lines = (screen: string): string[] => screen.split("\n").filter(Boolean);

test.each([60, 80, 200])(
  "C-13 C-20 on a terminal of %d columns no row of a list is wrapped, and states have colours",
  async (columns) => {
    const { screen } = await terminal(`wide-${columns}`, columns, "list");
    await expect.poll(screen, ended).toContain("exit 0");
    const shown = await screen();
    expect(lines(shown)).toHaveLength(4);
    expect(shown).toContain(GREEN);
    // The reason comes where there is room for it, and is cut at the width.
    expect(shown.includes("REASON")).toBe(columns === 200);
  },
);

test("C-20 --no-color leaves no colour on a real terminal", async () => {
  const { screen } = await terminal("plain", 80, "list --no-color");
  await expect.poll(screen, ended).toContain("exit 0");
  expect(await screen()).not.toContain("[38");
});

test("C-17 C-20 Ctrl-C ends a list that is watched in place, exit 130", async () => {
  const { screen, type } = await terminal("watch", 80, "list --watch");
  await expect.poll(screen, ended).toContain("a-name-of-some-length");
  await type("C-c");
  await expect.poll(screen, ended).toContain("exit 130");
  expect((await screen()).match(/a-name-of-some-length/g)).toHaveLength(1);
});

test.each(["cancel", "edit --name other", "connect", "show", "forward 8888"])(
  "C-17 `%s` lets a person pick one, and Ctrl-C there changes nothing",
  async (line) => {
    const { screen, type } = await terminal(`pick-${line.split(" ")[0]}`, 60, line);
    await expect.poll(screen, ended).toContain("navigate");
    await type("Down");
    await expect.poll(screen, ended).toMatch(/❯ eval /);
    await type("C-c");
    await expect.poll(screen, ended).toContain("exit 3");
  },
);
