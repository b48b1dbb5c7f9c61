/** The built command on a real terminal (tmux): widths, colours and Ctrl-C. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createTerminals, type Terminal } from "./helpers/tmux.ts";

const GREEN = "38;5;28m";
let home: string;
let server: Server;
let terminals: ReturnType<typeof createTerminals>;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "gd-term-"));
  terminals = createTerminals(home);
  const items = [
    reservation({ name: "a-name-of-some-length", simulated: true }),
    queued({ id: "zbcdefghijklmnopqrst", name: "eval", reason: `waits for ${"GPUs and ".repeat(20)}` }),
  ];
  server = createServer((request, response) => {
    const json = request.url?.startsWith("/v1/deployment") ? { domain: "gpu-dev.internal" } : page(...items);
    response.setHeader("content-type", "application/json").end(JSON.stringify(json));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(async () => {
  await terminals.close();
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true, force: true });
});

/** A terminal so wide in which `gpu-dev LINE` runs. */
function terminal(name: string, columns: number, line: string): Promise<Terminal> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return terminals.open(name, columns, line, `GPU_DEV_URL=${url}`);
}

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
