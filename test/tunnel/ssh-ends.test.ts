/** How real ssh sessions end: by the server's word, and while the gateway is frozen, in every way a parent can vanish. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { sshConfigFile } from "../../src/tunnel/ssh-config.ts";
import { processesNaming } from "../helpers/processes.ts";
import { cleanEnv, giveSshConfig, ID, outcome, pointTo, type Rig } from "./rig.ts";
import { atEnd, given as givenRig } from "./scene.ts";
import { type Sshd, startSshd } from "./sshd.ts";

interface Scene {
  readonly rig: Rig;
  readonly sshd: Sshd;
  /** ssh on our configuration as written, but for connection sharing: its master sends our stderr to nowhere. */
  ssh(command: string): ChildProcessWithoutNullStreams;
  /** What the ssh-proxies did so far. */
  trace(): string;
}

async function given(): Promise<Scene> {
  const sshd = await startSshd();
  atEnd(() => sshd.stop());
  const { rig } = await givenRig(undefined, { dial: () => sshd.dial() });
  await giveSshConfig(rig, sshd);
  const trace = join(rig.home.stateDir, "trace");
  writeFileSync(trace, "");
  const ssh = (command: string) => {
    const words = ["-F", sshConfigFile(rig.home), "-o", "ControlPath=none", "hello", command];
    const child = spawn("ssh", words, { env: { ...cleanEnv(), GPU_DEV_SSH_DEBUG: trace } });
    atEnd(() => child.kill("SIGKILL"));
    child.stdin.on("error", () => undefined);
    return child;
  };
  return { rig, sshd, ssh, trace: () => readFileSync(trace, "utf8") };
}

test.each<[string, Problem, (rig: Rig, why: Problem) => void]>([
  [
    "the end of the reservation",
    new Problem("reservation_ended", "it expired at 12:00", { hint: "reserve again" }),
    (rig, why) => rig.gateway.endReservation(ID, why),
  ],
  [
    "the revocation of the token",
    new Problem("not_logged_in", "the token was revoked", { hint: "log in again" }),
    (rig, why) => {
      rig.revoked = why;
    },
  ],
])("T-08 T-05 %s ends ssh, with the reason on the user's terminal", async (_, why, happens) => {
  const { rig, ssh } = await given();
  const session = ssh("echo in; cat");
  const ended = outcome(session);
  await once(session.stdout, "data");
  const since = Date.now();
  happens(rig, why);
  const { code, stderr } = await ended;
  expect(code).toBe(255);
  expect(stderr).toContain(
    `gpu-dev: the server ended the tunnel: ${why.message}; ${why.hint} (${why.code})\n`,
  );
  // Five seconds are the promise; this guards against hanging.
  expect(Date.now() - since).toBeLessThan(25_000);
});

/** Freezes (SIGSTOP) and goes on at the end of the test, so that it can be ended. */
function freeze(gateway: ChildProcess): void {
  gateway.kill("SIGSTOP");
  atEnd(() => gateway.kill("SIGCONT"));
}

/** A gateway in a process of its own, which the ssh-proxy finds. */
async function ownGateway({ rig, sshd }: Scene): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "gateway-process.ts");
  const gateway = spawn(process.execPath, [script, String(sshd.port)], {
    env: cleanEnv(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  atEnd(() => gateway.kill("SIGKILL"));
  const [port] = (await once(gateway.stdout as Readable, "data")) as [Buffer];
  pointTo(rig.home, `http://127.0.0.1:${String(port).trim()}`);
  return gateway;
}

/** The ssh-proxies of this test, by pid; ssh names the bundle, too, but is no node. */
const proxies = ({ rig }: Scene): number[] =>
  processesNaming(rig.proxy).filter((pid) => commandOf(pid).startsWith(process.execPath));

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // It ended while we looked.
  }
}

/** Ends each ssh-proxy in another way: by what happens to its parent, and to itself. */
async function endAll(scene: Scene, sessions: readonly ChildProcess[]): Promise<void> {
  const ended = sessions.map((session) => outcome(session));
  const [killed, hungUp, ...others] = sessions;
  const own = proxies(scene).filter((pid) => others.some((session) => session.pid === parentOf(pid)));
  expect(own).toHaveLength(2);
  killed?.kill("SIGKILL");
  hungUp?.kill("SIGHUP");
  process.kill(own[0] as number, "SIGTERM");
  process.kill(own[1] as number, "SIGHUP");
  await Promise.all(ended);
  await expect.poll(() => proxies(scene)).toEqual([]);
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

test("T-13 T-01 a frozen gateway and 1 MiB unsent: killed or hung up, or its parent is, no ssh-proxy stays", async () => {
  const scene = await given();
  const gateway = await ownGateway(scene);
  const sessions = Array.from({ length: 4 }, () => scene.ssh("echo in; cat >/dev/null"));
  await Promise.all(sessions.map((session) => once(session.stdout, "data")));
  freeze(gateway);
  for (const { stdin } of sessions) {
    for (let i = 0; i < 16; i++) stdin.write(Buffer.alloc(1024 * 1024));
    // The kernel's buffers and ssh's window are full: the rest is on its way nowhere.
    await expect.poll(() => stdin.writableLength).toBeGreaterThan(1024 * 1024);
  }
  await endAll(scene, sessions);
});

test("T-13 T-01 still connecting to a frozen gateway: killed or hung up, or its parent is, no ssh-proxy stays", async () => {
  const scene = await given();
  freeze(await ownGateway(scene));
  const sessions = Array.from({ length: 4 }, () => scene.ssh("true"));
  await expect.poll(() => scene.trace().match(/ connected from=/g)).toHaveLength(4);
  await endAll(scene, sessions);
});
