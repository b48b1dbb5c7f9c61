/** The built command on a real terminal (tmux): widths, colours and Ctrl-C. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { page, queued, reservation } from "./helpers/fake-server.ts";

const bin = join(import.meta.dirname, "..", "..", "bin", "gpu-dev.js");
const GREEN = "38;5;28m";
let home: string;
let server: Server;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "gd-term-"));
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
  await tmux("kill-server");
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true, force: true });
});

async function tmux(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, TMUX_TMPDIR: home, LC_ALL: "C.UTF-8" };
  const { stdout } = await promisify(execFile)("tmux", ["-f", "/dev/null", ...args], { env });
  return stdout;
}

/** A terminal so wide in which `gpu-dev LINE` runs; what it shows, with its colours. */
async function terminal(
  name: string,
  columns: number,
  line: string,
  more = "",
): Promise<() => Promise<string>> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = `env -u NO_COLOR -u CI HOME='${home}' GPU_DEV_URL=${url} GPU_DEV_TOKEN=gd_x TERM=xterm-256color ${more}`;
  const command = `${env} '${process.execPath}' '${bin}' ${line}; echo "exit $?"; read -r _`;
  await tmux("new-session", "-d", "-s", name, "-x", String(columns), "-y", "24", command);
  return () => tmux("capture-pane", "-p", "-e", "-t", name);
}

const ended = { timeout: 60_000, interval: 50 };
const lines = (screen: string): string[] => screen.split("\n").filter(Boolean);

test.each([60, 80, 200])(
  "C-13 C-20 on a terminal of %d columns no row of a list is wrapped, and states have colours",
  async (columns) => {
    const screen = await terminal(`wide-${columns}`, columns, "list");
    await expect.poll(screen, ended).toContain("exit 0");
    const shown = await screen();
    expect(lines(shown)).toHaveLength(4);
    expect(shown).toContain(GREEN);
    // The reason comes where there is room for it, and is cut at the width.
    expect(shown.includes("REASON")).toBe(columns === 200);
  },
);

test("C-20 --no-color leaves no colour on a real terminal", async () => {
  const screen = await terminal("plain", 80, "list --no-color");
  await expect.poll(screen, ended).toContain("exit 0");
  expect(await screen()).not.toContain("[38");
});

test("C-17 C-20 Ctrl-C ends a list that is watched in place, exit 130", async () => {
  const screen = await terminal("watch", 80, "list --watch");
  await expect.poll(screen, ended).toContain("a-name-of-some-length");
  await tmux("send-keys", "-t", "watch", "C-c");
  await expect.poll(screen, ended).toContain("exit 130");
  expect((await screen()).match(/a-name-of-some-length/g)).toHaveLength(1);
});
