/** Real terminals (tmux) in which the built command runs. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
