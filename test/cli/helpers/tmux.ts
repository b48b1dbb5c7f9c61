/** Real terminals (tmux) in which the built command runs. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";

const bin = join(import.meta.dirname, "..", "..", "..", "bin", "gpu-dev.js");

export interface Terminal {
  /** What it shows, with its colours. */
  screen(): Promise<string>;
  /** All that was written to it so far, as it was written. */
  raw(): Promise<string>;
  /** Keys by tmux's names, such as Enter, Down and C-c; anything else is typed. */
  type(...keys: readonly string[]): Promise<void>;
}

/** Terminals of one test file; all that they need is in `home`. */
export function createTerminals(home: string) {
  const tmux = async (...args: readonly string[]): Promise<string> => {
    const env = { PATH: process.env.PATH, TMUX_TMPDIR: home, LC_ALL: "C.UTF-8" };
    const { stdout } = await promisify(execFile)("tmux", ["-f", "/dev/null", ...args], { env });
    return stdout;
  };
  return {
    /** A terminal so wide, in which `gpu-dev LINE` runs and its exit code is shown; `env` as `env` takes it. */
    async open(name: string, columns: number, line: string, env: string): Promise<Terminal> {
      const setting = `env -u NO_COLOR -u CI HOME='${home}' GPU_DEV_TOKEN=gd_x TERM=xterm-256color ${env}`;
      const command = `${setting} '${process.execPath}' '${bin}' ${line}; echo "exit $?"; read -r _`;
      const written = join(home, `${name}.raw`);
      // In one go with the session, so that nothing is written before.
      const pipe = [";", "pipe-pane", "-t", name, `cat >>'${written}'`];
      await tmux("new-session", "-d", "-s", name, "-x", String(columns), "-y", "24", command, ...pipe);
      return {
        raw: () => readFile(written, "utf8"),
        screen: () => tmux("capture-pane", "-p", "-e", "-t", name),
        async type(...keys) {
          await tmux("send-keys", "-t", name, ...keys);
        },
      };
    },
    close: () => tmux("kill-server"),
  };
}

/** Terminals whose commands talk to a server of the test's: `answer` has the JSON for a request, by "GET /v1/me" and its body. */
export async function createServedTerminals(answer: (route: string, body: string) => unknown) {
  const home = mkdtempSync(join(tmpdir(), "gd-term-"));
  const terminals = createTerminals(home);
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const json = answer(`${request.method} ${request.url?.split("?")[0]}`, body);
    response.setHeader("content-type", "application/json").end(JSON.stringify(json));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    /** As those of `createTerminals`. */
    open: (name: string, columns: number, line: string, env = ""): Promise<Terminal> =>
      terminals.open(name, columns, line, `GPU_DEV_URL=${url} ${env}`),
    async close(): Promise<void> {
      await terminals.close();
      server.closeAllConnections();
      server.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
