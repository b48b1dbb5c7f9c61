/** SIGHUP means two things: the terminal was closed, or somebody asks to read the configuration again. */
import { closeSync, openSync } from "node:fs";

/** Whether this process has a terminal that can hang up; one that did is gone, and one that is a service never had any. */
function hasTerminal(): boolean {
  if (process.platform === "win32") return false;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    // ENXIO: no terminal, or not any more. Whatever else it is, there is none to lose.
    return false;
  }
}

/** Tells, for each SIGHUP, whether it asks to read again. Called at the start, while the terminal, if any, is there. */
export function createHangUp(): () => "ended" | "asked" {
  const had = hasTerminal();
  return () => (process.platform === "win32" || (had && !hasTerminal()) ? "ended" : "asked");
}
