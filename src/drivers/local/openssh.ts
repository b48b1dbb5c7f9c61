/** The OpenSSH server that is installed here. */
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { promisify } from "node:util";
import { LaunchRefused } from "../driver.ts";

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/opt/homebrew/sbin/sshd", "/sbin/sshd"];
const SFTP = [
  "/usr/lib/openssh/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/libexec/sftp-server",
  "/usr/lib/ssh/sftp-server",
];

export interface OpenSsh {
  readonly sshd: string;
  readonly sftpServer: string | undefined;
  /** From 9.8 on, sshd punishes addresses; all of a pod's logins come from one. */
  readonly knowsPenalties: boolean;
}

/** Throws LaunchRefused, with the command to type, when there is no sshd. */
export async function findOpenSsh(places = SSHD): Promise<OpenSsh> {
  const sshd = await firstExecutable(places);
  if (sshd === undefined)
    throw new LaunchRefused(
      "no OpenSSH server is installed on this machine; install it: apt-get install openssh-server",
    );
  return { sshd, sftpServer: await firstExecutable(SFTP), knowsPenalties: await atLeast98(sshd) };
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** Older servers do not know -V and answer with their usage, which has the version too. */
async function atLeast98(sshd: string): Promise<boolean> {
  const said = await promisify(execFile)(sshd, ["-V"], { timeout: 10_000 }).catch(
    (error: { stderr?: string }) => ({ stdout: "", stderr: error.stderr ?? "" }),
  );
  const version = /OpenSSH_(\d+)\.(\d+)/.exec(said.stdout + said.stderr);
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  return major > 9 || (major === 9 && minor >= 8);
}
