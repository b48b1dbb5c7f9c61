/** What a real zsh on a real terminal (tmux) offers after the Tab key. */
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const hasZsh = spawnSync("zsh", ["--version"]).status === 0;
const soon = { timeout: 60_000, interval: 50 };
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "gd-zsh-"));
  writeFileSync(
    join(home, "completion.json"),
    '{"reservations":["hello","train"],"contexts":["corp","lab"],"nodes":["gpu-host-1","gpu-host-2"]}',
  );
  writeFileSync(
    join(home, "gpu-dev"),
    `#!/bin/sh\nexec '${process.execPath}' '${join(root, "bin", "gpu-dev.js")}' "$@"\n`,
  );
  chmodSync(join(home, "gpu-dev"), 0o755);
  writeFileSync(join(home, ".zshrc"), `PS1='ready> '\nsource '${join(root, "completions", "_gpu-dev")}'\n`);
});
afterAll(async () => {
  if (hasZsh) await tmux("kill-server");
  rmSync(home, { recursive: true, force: true });
});

async function tmux(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, TMUX_TMPDIR: home, LC_ALL: "C.UTF-8" };
  const { stdout } = await promisify(execFile)("tmux", ["-f", "/dev/null", ...args], { env });
  return stdout;
}

describe.skipIf(!hasZsh)("C-23 zsh offers commands, flags and live names, and prints no error", () => {
  test.each([
    ["show ", ["hello", "train"]],
    ["context use ", ["corp", "lab"]],
    ["list --context ", ["corp", "lab"]],
    ["config set ", ["gpu_type", "time"]],
    ["admin nodes cordon ", ["gpu-host-1", "gpu-host-2"]],
    ["ssh-config ", ["install", "remove", "show"]],
    ["list --st", ["--state"]],
  ])("C-23 gpu-dev %s", async (line, offers) => {
    const name = line.replace(/\W/g, "");
    const path = `${home}${delimiter}${process.env.PATH}`;
    const shell = `env PATH='${path}' GPU_DEV_HOME='${home}' ZDOTDIR='${home}' HOME='${home}' zsh -i`;
    await tmux("new-session", "-d", "-s", name, "-x", "100", "-y", "24", shell);
    const screen = (): Promise<string> => tmux("capture-pane", "-p", "-t", name);
    await expect.poll(screen, soon).toContain("ready>");
    await tmux("send-keys", "-t", name, `gpu-dev ${line}`, "Tab", "Tab");
    for (const offer of offers)
      await expect.poll(screen, soon).toMatch(new RegExp(`(^|\\s)${offer}(\\s|$)`, "m"));
    expect(await screen()).not.toMatch(/rror|not found/);
  });
});
