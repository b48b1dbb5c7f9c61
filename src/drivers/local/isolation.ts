/** How pods are kept apart: what differs between pods in namespaces and pods of plain processes. */
import { userInfo } from "node:os";
import { join } from "node:path";
import { control } from "./pod-dir.ts";
import { POD_VARIABLE, podArgument } from "./process-table.ts";
import { SESSION_SCRIPT } from "./session-script.ts";
import { terminalsOfProcesses } from "./terminals.ts";

export interface Isolation {
  readonly kind: "namespaces" | "processes";
  /** The account that users log in to. */
  readonly sshUser: string;
  /** Directories of a pod beside its control directory. */
  readonly directories: readonly string[];
  /** The control directory as the pod sees it. */
  controlInside(dir: string): string;
  /** What every session sees, beside what the reservation brings; `disk` is the directory of the disk that is its home. */
  environment(dir: string, disk?: string): Record<string, string>;
  /** The script that sessions go through to get to their home, where the account has another. */
  session(dir: string): string | undefined;
  /** Files of the control directory; `devices` are the GPUs' nodes in /dev. */
  files(devices: readonly string[]): Record<string, string>;
  /** The terminals of the pod in `dir`, as paths that lead there from here. */
  terminals(dir: string): Promise<string[]>;
  /** The command that becomes the pod's init; the init's own arguments, SSHD GRACE_S PORT…, follow it. */
  command(dir: string, hostname: string): string[];
}

/** Plain processes of the server's user: one trust domain, wherever there is an sshd. */
export function plainProcesses(): Isolation {
  return {
    kind: "processes",
    sshUser: userInfo().username,
    directories: ["home"],
    controlInside: (dir) => control(dir),
    environment: (dir, disk = dir) => ({ HOME: join(disk, "home"), [POD_VARIABLE]: dir }),
    session: (dir) => control(dir, "session"),
    files: () => ({ session: SESSION_SCRIPT }),
    terminals: terminalsOfProcesses,
    command: (dir) => ["bash", control(dir, "init"), podArgument(dir), control(dir)],
  };
}
