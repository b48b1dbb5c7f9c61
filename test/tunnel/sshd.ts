/** A real sshd of our own: unprivileged port, own host key, own authorized keys, in a temporary directory. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { BlockSocket } from "../../src/api/block-socket.ts";
import { freePort } from "../helpers/free-port.ts";

const SSHD = "/usr/sbin/sshd";

export interface Sshd {
  readonly port: number;
  /** Of the one that listens; sessions have processes of their own. */
  readonly pid: number;
  readonly user: string;
  /** As in known_hosts. */
  readonly hostKey: string;
  /** A private key file that may log in. */
  readonly identity: string;
  readonly dir: string;
  dial(): Promise<Socket>;
  /** Starts it again, on the same port, after it was killed. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts sshd on 127.0.0.1, and on another address if one is given; resolves when it answers. */
export async function startSshd(address = "127.0.0.1"): Promise<Sshd> {
  const dir = mkdtempSync(join(tmpdir(), "gpu-dev-sshd-"));
  const [hostKey, identity] = [newKey(dir, "host"), newKey(dir, "user")];
  copyFileSync(`${identity}.pub`, join(dir, "authorized_keys"));
  const port = await freePort();
  writeFileSync(join(dir, "sshd_config"), configText(dir, port, hostKey, address));
  if (process.getuid?.() === 0) execFileSync("mkdir", ["-p", "-m", "0755", "/run/sshd"]);
  const run = (): ChildProcess =>
    spawn(SSHD, ["-D", "-f", join(dir, "sshd_config"), "-E", join(dir, "sshd.log")], { stdio: "ignore" });
  let child = run();
  await listening(port);
  return {
    port,
    get pid() {
      return child.pid ?? 0;
    },
    user: userInfo().username,
    hostKey: readFileSync(`${hostKey}.pub`, "utf8").split(" ").slice(0, 2).join(" ").trim(),
    identity,
    dir,
    dial: () => dialPort(port),
    async restart() {
      await killed(child);
      child = run();
      await listening(port);
    },
    async stop() {
      await killed(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

function newKey(dir: string, name: string): string {
  const file = join(dir, name);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file]);
  return file;
}

/** Its sessions have a home without start files: those of whoever runs the tests may print, take long, or get in each other's way. */
const configText = (dir: string, port: number, hostKey: string, address: string): string => `
ListenAddress 127.0.0.1
${address === "127.0.0.1" ? "" : `ListenAddress ${address}`}
Port ${port}
HostKey ${hostKey}
PidFile none
AuthorizedKeysFile ${join(dir, "authorized_keys")}
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 200
MaxSessions 200
AllowAgentForwarding yes
SetEnv HOME=${dir}
Subsystem sftp internal-sftp
`;

export async function dialPort(port: number): Promise<Socket> {
  const socket = new BlockSocket({ noDelay: true }).connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Polls: sshd has no other way to say that it listens. */
async function listening(port: number): Promise<void> {
  for (const until = Date.now() + 10_000; !(await answers(port)); await pause(10))
    if (Date.now() > until) throw new Error("sshd does not answer");
}

async function answers(port: number): Promise<boolean> {
  try {
    (await dialPort(port)).destroy();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return false;
    throw error;
  }
}
