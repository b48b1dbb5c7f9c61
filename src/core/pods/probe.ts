/** Proves that ssh works: one real login by the OpenSSH client, with a key of its own and the host key pinned (L-19). */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { type Duplex, pipeline } from "node:stream";

export interface ProbeTarget {
  /** A stream to the pod's sshd. */
  dial(): Promise<Duplex>;
  readonly user: string;
  /** Public, as in known_hosts: "ssh-ed25519 AAAA…". */
  readonly hostKey: string;
  /** The text of a private key file. */
  readonly privateKey: string;
  /** Ends the try when the server stops. */
  readonly signal: AbortSignal;
  /** Seconds that one login may take. */
  readonly patienceS?: number;
}

export const PROBE_CAUSES = [
  "refused",
  "timeout",
  "key rejected",
  "banner missing",
  "wrong host key",
  "failed",
] as const;
type ProbeCause = (typeof PROBE_CAUSES)[number];
export type ProbeResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly cause: ProbeCause; readonly detail: string };
export type Probe = (target: ProbeTarget) => Promise<ProbeResult>;

const PATIENCE_S = 8;
/** What ssh does not end by itself is killed this much later. */
const KILL_AFTER_S = 2;
const MAX_STDERR = 4096;

/**
 * The OpenSSH client as a probe. Its keys are in `scratch` while a login is tried; the directory is emptied here, since a
 * server that was killed in the middle of one could not do it.
 */
export async function createSshProbe(scratch: string): Promise<Probe> {
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  return (target) => login(scratch, target);
}

/** One login. Never throws for what the pod does; throws when there is no `ssh` here, or `scratch` cannot be written. */
async function login(scratch: string, target: ProbeTarget): Promise<ProbeResult> {
  // A worker that starts takes the directories of those away whose names it does not find: it may have looked before ours was there.
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const dir = await mkdtemp(join(scratch, "login-"));
  const door = openDoor(target);
  try {
    await writeFile(join(dir, "key"), target.privateKey, { mode: 0o600 });
    await writeFile(join(dir, "known_hosts"), `pod ${target.hostKey}\n`);
    const port = await door.port;
    const patienceS = target.patienceS ?? PATIENCE_S;
    const args = sshArguments(dir, port, target.user, patienceS);
    const { code, stderr, late } = await runSsh(args, patienceS, target.signal);
    if (code === 0) return { ok: true };
    return late ? timedOut(patienceS) : explain(stderr, patienceS, door.dialError());
  } finally {
    door.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** What the failed login means, from our own dial's error and the client's last words. */
function explain(stderr: string, patienceS: number, dialError: string | undefined): ProbeResult {
  if (dialError !== undefined) return failed("refused", dialError);
  if (/timed out/i.test(stderr)) return timedOut(patienceS);
  if (/Permission denied/.test(stderr)) return failed("key rejected", "sshd did not accept the key");
  if (/Host key verification failed|host key .* has changed/i.test(stderr))
    return failed("wrong host key", "the pod showed another host key than the one it was given");
  if (/banner|kex_exchange_identification|Connection (closed|reset)/i.test(stderr))
    return failed("banner missing", "the connection was closed before sshd introduced itself");
  return failed("failed", "the ssh client could not log in");
}

const failed = (cause: ProbeCause, detail: string): ProbeResult => ({ ok: false, cause, detail });
const timedOut = (patienceS: number): ProbeResult => failed("timeout", `no login within ${patienceS} s`);

/** A loopback port for one connection, which is piped to the pod; ssh knows TCP only. */
function openDoor(target: ProbeTarget) {
  let dialError: string | undefined;
  let ends: Duplex[] = [];
  const server: Server = createServer({ noDelay: true }, (socket) => {
    server.close();
    ends.push(socket);
    // Until the pod answers, the client's first words wait in the socket.
    socket.on("error", () => socket.destroy());
    target.dial().then(
      (stream) => {
        ends.push(stream);
        joinStreams(socket, stream);
      },
      (error: unknown) => {
        dialError = error instanceof Error ? error.message : String(error);
        socket.destroy();
      },
    );
  });
  const port = new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
  return {
    port,
    dialError: () => dialError,
    close() {
      server.close();
      for (const end of ends) end.destroy();
      ends = [];
    },
  };
}

/** Bytes both ways; how the connection ended is told by ssh itself. */
function joinStreams(a: Duplex, b: Duplex): void {
  pipeline(a, b, () => b.destroy());
  pipeline(b, a, () => a.destroy());
}

const sshArguments = (dir: string, port: number, user: string, patienceS: number): string[] => [
  ...["-F", "none", "-T", "-n", "-i", join(dir, "key"), "-p", String(port), "-l", user],
  ...[
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${join(dir, "known_hosts")}`,
    "GlobalKnownHostsFile=none",
    "HostKeyAlias=pod",
    "HostKeyAlgorithms=ssh-ed25519",
    "UpdateHostKeys=no",
    // Nothing secret is said here, and the default's post-quantum part is most of what a login costs the client.
    "KexAlgorithms=^curve25519-sha256",
    "ControlPath=none",
    "LogLevel=ERROR",
    `ConnectTimeout=${patienceS}`,
  ].flatMap((option) => ["-o", option]),
  "127.0.0.1",
  "exit 0",
];

function runSsh(
  args: readonly string[],
  patienceS: number,
  signal: AbortSignal,
): Promise<{ code: number | null; stderr: string; late: boolean }> {
  const timeout = AbortSignal.timeout((patienceS + KILL_AFTER_S) * 1000);
  return new Promise((resolve, reject) => {
    const child = spawn("ssh", args, {
      stdio: ["ignore", "ignore", "pipe"],
      signal: AbortSignal.any([signal, timeout]),
      killSignal: "SIGKILL",
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-MAX_STDERR);
    });
    child.on("error", (error) => {
      // An abort is followed by "close"; anything else means that ssh was never there.
      if (error.name !== "AbortError") reject(error);
    });
    child.on("close", (code) => resolve({ code, stderr, late: timeout.aborted }));
  });
}
