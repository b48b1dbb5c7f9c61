/** The real OpenSSH client, our ssh_config, the ssh-proxy, the gateway, and a real sshd. */
import { spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { knownHost, learnHost } from "../../src/tunnel/known-hosts.ts";
import { sshConfigFile, writeSshConfig } from "../../src/tunnel/ssh-config.ts";
import { freePort } from "../helpers/free-port.ts";
import { cleanEnv, DOMAIN, type Ended, giveSshConfig, HOST, ID, outcome, type Rig, startRig } from "./rig.ts";
import { dialPort, type Sshd, startSshd } from "./sshd.ts";
import { startPod } from "./test-pod.ts";

const SIZE = 64 * 1024 * 1024;
/** Each test its own connection; the one about sharing says otherwise. */
const ALONE = ["-o", "ControlMaster=no", "-o", "ControlPath=none"];

let sshd: Sshd;
let rig: Rig;
let dir: string;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  sshd = await startSshd();
  rig = await startRig({ dial: () => sshd.dial() });
  dir = mkdtempSync(join(tmpdir(), "gpu-dev-ssh-"));
  await writeConfig(rig, sshd.hostKey);
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

afterAll(async () => {
  await rig.close();
  await sshd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const writeConfig = (to: Rig, hostKey: string): Promise<void> => giveSshConfig(to, { ...sshd, hostKey });

interface RunOptions {
  readonly stdin?: string | "pipe";
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end; `stdin` is a file's path. */
function run(program: string, args: readonly string[], { stdin, env = {} }: RunOptions = {}): Promise<Ended> {
  const input = stdin === undefined ? ("ignore" as const) : openSync(stdin, "r");
  return outcome(spawn(program, args, { stdio: [input, "pipe", "pipe"], env: { ...cleanEnv(), ...env } }));
}

const config = (): string[] => ["-F", sshConfigFile(rig.home), ...ALONE];
const ssh = (args: readonly string[], options?: RunOptions): Promise<Ended> =>
  run("ssh", [...config(), ...args], options);

/** An ssh that only forwards, until the end of the test. */
function forward(...args: string[]): void {
  const child = spawn("ssh", [...config(), "-N", "-o", "ExitOnForwardFailure=yes", ...args, "hello"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: cleanEnv(),
  });
  cleanups.push(async () => {
    child.kill();
    await once(child, "exit");
  });
}

/** ssh listens once it has logged in; a refused connection is asked for again. */
const dialSoon = (port: number): Promise<Socket> =>
  vi.waitFor(() => dialPort(port), { timeout: 15_000, interval: 50 });

async function echoed(socket: Socket, text: string): Promise<string> {
  socket.end(text);
  return Buffer.concat(await socket.toArray()).toString();
}

/** A pod's service that answers with what it got, in capitals. */
async function shouting(): Promise<number> {
  const pod = await startPod((socket) => {
    socket.on("data", (data) => socket.write(data.toString().toUpperCase())).on("end", () => socket.end());
  });
  cleanups.push(() => pod.close());
  return pod.port;
}

const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

function randomFile(name: string, size: number): { file: string; sum: string } {
  const data = randomFillSync(Buffer.alloc(size));
  const file = join(dir, name);
  writeFileSync(file, data);
  return { file, sum: sha256(data) };
}

test("T-05 a command's output and exit code come through, and nothing of ours on stderr", async () => {
  const end = await ssh(["hello", "echo out; echo err >&2; exit 7"]);
  expect(end).toMatchObject({ code: 7, stdout: Buffer.from("out\n"), stderr: "err\n" });
});

test("T-02 64 MiB by `ssh host cat <file`, and by `ssh host 'cat file'`", async () => {
  const { file, sum } = randomFile("big", SIZE);
  const up = await ssh(["hello", "sha256sum"], { stdin: file });
  expect(up.stdout.toString()).toBe(`${sum}  -\n`);
  const down = await ssh(["hello", `cat ${file}`]);
  expect(sha256(down.stdout)).toBe(sum);
  expect([up.code, up.stderr, down.code, down.stderr]).toEqual([0, "", 0, ""]);
});

test("T-01 ssh that is killed (-9) takes the proxy, the tunnel and its sshd session along", async () => {
  const child = spawn("ssh", [...config(), "hello", "echo $PPID; cat"], { env: cleanEnv() });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const session = Number(line.toString());
  expect(isAlive(session)).toBe(true);
  child.kill("SIGKILL");
  await expect.poll(() => rig.gateway.count()).toBe(0);
  await expect.poll(() => isAlive(session)).toBe(false);
  await expect.poll(() => proxiesAlive()).toEqual([]);
});

test("T-01 a session whose sshd dies ends ssh and the proxy", async () => {
  const child = spawn("ssh", [...config(), "hello", "echo $PPID; cat"], { env: cleanEnv() });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const ended = outcome(child);
  process.kill(Number(line.toString()), "SIGKILL");
  expect((await ended).code).toBe(255);
  await expect.poll(() => proxiesAlive()).toEqual([]);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return false;
  }
}

/** The proxies of this test's rig, by pid. */
async function proxiesAlive(): Promise<number[]> {
  const { stdout } = await run("ps", ["-eo", "pid=,args="]);
  const ours = stdout
    .toString()
    .split("\n")
    .filter((line) => line.includes(rig.proxy));
  return ours.map((line) => Number(line.trim().split(" ")[0]));
}

test("T-14 a wrong host key stops the connection", async () => {
  const wrong = await startSshd();
  cleanups.push(
    () => wrong.stop(),
    () => writeConfig(rig, sshd.hostKey),
  );
  await writeConfig(rig, wrong.hostKey);
  const { code, stderr, stdout } = await ssh(["hello", "echo reached"]);
  expect([code, stdout.toString()]).toEqual([255, ""]);
  expect(stderr).toContain("Host key verification failed");
});

test("T-14 a reservation made elsewhere is found by its alias, its host key learned before the first byte", async () => {
  const alias = `gpu-dev-${ID.slice(0, 8)}`;
  const found = { id: ID, state: "active", host_key: sshd.hostKey };
  rig.replies.set(`/v1/reservations?id_prefix=${ID.slice(0, 8)}`, { items: [found], next_cursor: null });
  const home = rig.home;
  cleanups.push(() => writeConfig(rig, sshd.hostKey));
  await writeSshConfig(home, {
    context: "test",
    domain: DOMAIN,
    node: process.execPath,
    proxyScript: rig.proxy,
    entries: [],
    env: { GPU_DEV_HOME: home.stateDir },
  });
  expect(knownHost(home, `${alias}.${DOMAIN}`)).toBeUndefined();
  const end = await ssh(["-l", sshd.user, alias, "echo found"]);
  expect(end).toMatchObject({ code: 0, stdout: Buffer.from("found\n"), stderr: "" });
  expect(knownHost(home, `${alias}.${DOMAIN}`)).toBe(sshd.hostKey);
});

test("T-14 a host whose line went missing gets it back from the server, never from the connection", async () => {
  rig.replies.set(`/v1/reservations/${ID}`, { id: ID, state: "active", host_key: sshd.hostKey });
  cleanups.push(() => writeConfig(rig, sshd.hostKey));
  writeFileSync(join(rig.home.stateDir, "known_hosts"), "");
  expect(await ssh(["hello", "true"])).toMatchObject({ code: 0, stderr: "" });
  const imposter = await startSshd();
  cleanups.push(() => imposter.stop());
  writeFileSync(join(rig.home.stateDir, "known_hosts"), "");
  rig.replies.set(`/v1/reservations/${ID}`, { id: ID, state: "active", host_key: imposter.hostKey });
  expect((await ssh(["hello", "true"])).stderr).toContain("Host key verification failed");
  await learnHost(rig.home, HOST, sshd.hostKey);
});

test("T-15 scp and sftp, both directions", async () => {
  const { file, sum } = randomFile("copied", 5_000_000);
  const there = join(dir, "there");
  for (const [program, args] of [
    ["scp", [...config(), "-q", file, `hello:${there}.scp`]],
    ["scp", [...config(), "-q", `hello:${there}.scp`, join(dir, "back.scp")]],
    [
      "sftp",
      [
        ...config(),
        "-q",
        "-b",
        batch(`put ${file} ${there}.sftp\nget ${there}.sftp ${dir}/back.sftp\n`),
        "hello",
      ],
    ],
  ] as const) {
    const { code, stderr } = await run(program, args);
    expect([code, stderr]).toEqual([0, ""]);
  }
  expect(sha256(readFileSync(join(dir, "back.scp")))).toBe(sum);
  expect(sha256(readFileSync(join(dir, "back.sftp")))).toBe(sum);
});

function batch(text: string): string {
  const file = join(dir, "batch");
  writeFileSync(file, text);
  return file;
}

const SHELL = (): string => ["ssh", ...config()].join(" ");

test("T-15 rsync", async () => {
  const { file, sum } = randomFile("synced", 3_000_000);
  const there = join(dir, "rsynced");
  expect(await run("rsync", ["-e", SHELL(), file, `hello:${there}`])).toMatchObject({ code: 0, stderr: "" });
  expect(sha256(readFileSync(there))).toBe(sum);
});

test("T-15 git clones and pushes over ssh", async () => {
  const origin = join(dir, "origin.git");
  const copy = join(dir, "copy");
  const env = {
    GIT_SSH_COMMAND: SHELL(),
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@b",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@b",
  };
  const git = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run("git", args, { env });
    expect(code, stderr).toBe(0);
    return stdout.toString();
  };
  await git("init", "-q", "--bare", origin);
  await git("clone", "-q", `ssh://hello${origin}`, copy);
  await git("-C", copy, "commit", "-q", "--allow-empty", "-m", "through the tunnel");
  await git("-C", copy, "push", "-q", "origin", "HEAD:main");
  expect(await git("-C", origin, "log", "--format=%s", "main")).toBe("through the tunnel\n");
});

test("T-15 port forwarding: -L and -R", async () => {
  const service = await shouting();
  const [local, remote] = [await freePort(), await freePort()];
  forward("-L", `127.0.0.1:${local}:127.0.0.1:${service}`, "-R", `127.0.0.1:${remote}:127.0.0.1:${service}`);
  expect(await echoed(await dialSoon(local), "local")).toBe("LOCAL");
  expect(await echoed(await dialSoon(remote), "remote")).toBe("REMOTE");
});

test("T-15 dynamic forwarding: -D, as SOCKS 5 (RFC 1928)", async () => {
  const service = await shouting();
  const proxy = await freePort();
  forward("-D", `127.0.0.1:${proxy}`);
  const socket = await dialSoon(proxy);
  socket.write(Buffer.from([5, 1, 0]));
  expect((await once(socket, "data"))[0]).toEqual(Buffer.from([5, 0]));
  socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, service >> 8, service & 255]));
  expect(((await once(socket, "data"))[0] as Buffer).subarray(0, 2)).toEqual(Buffer.from([5, 0]));
  expect(await echoed(socket, "dynamic")).toBe("DYNAMIC");
});

test("T-15 agent forwarding, only when asked for", async () => {
  const sock = join(dir, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", sock], { stdio: "ignore" });
  cleanups.push(async () => {
    agent.kill();
    await once(agent, "exit");
  });
  await expect.poll(() => agentAnswers(sock)).toBe(true);
  const env = { SSH_AUTH_SOCK: sock };
  expect((await run("ssh-add", ["-q", sshd.identity], { env })).code).toBe(0);
  const key = readFileSync(`${sshd.identity}.pub`, "utf8");
  expect((await ssh(["-A", "hello", "ssh-add -L"], { env })).stdout.toString()).toBe(key);
  expect((await ssh(["hello", "ssh-add -L"], { env })).code).not.toBe(0);
});

async function agentAnswers(sock: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(sock, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

test("T-15 T-13 connection sharing: one tunnel for all, which Ctrl-C does not end", async () => {
  const shared = ["-F", sshConfigFile(rig.home), "hello"];
  cleanups.push(() => run("ssh", ["-O", "exit", ...shared]));
  const opened = rig.logs.length;
  // stderr is not a pipe: the master keeps it, and it would never end.
  const first = spawn("ssh", [...shared, "echo one"], {
    stdio: ["ignore", "pipe", "ignore"],
    env: cleanEnv(),
  });
  expect((await once(first.stdout as NodeJS.ReadableStream, "data"))[0].toString()).toBe("one\n");
  const second = await run("ssh", [...shared, "echo two"]);
  expect(second).toMatchObject({ code: 0, stdout: Buffer.from("two\n"), stderr: "" });
  const [proxy, ...others] = await proxiesAlive();
  expect(others).toEqual([]);
  process.kill(proxy ?? 0, "SIGINT");
  expect((await run("ssh", [...shared, "echo three"])).stdout.toString()).toBe("three\n");
  expect(rig.logs.slice(opened).filter((line) => line.includes("tunnel opened"))).toHaveLength(1);
});
