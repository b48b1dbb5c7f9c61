/** Real ssh on a machine that moves to another network: two network namespaces, and an address that changes (needs root). */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sshConfigFile } from "../../src/tunnel/ssh-config.ts";
import { cleanEnv, giveSshConfig, outcome, pointTo, type Rig } from "./rig.ts";
import { atEnd, given } from "./scene.ts";
import { startSshd } from "./sshd.ts";

const [HERE, THERE] = [`gdh${process.pid}`, `gdt${process.pid}`];
const SERVER = "10.77.0.254";
const PORT = 4780;

const ip = (...args: string[]): unknown => execFileSync("ip", args, { stdio: "pipe" });
const inside = (namespace: string, ...words: string[]): string[] => [
  `--net=/run/netns/${namespace}`,
  ...words,
];

/** False where namespaces cannot be made: no root, or root without the right. */
function canMakeNamespaces(): boolean {
  const name = `gdp${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name]).status === 0;
  if (made) ip("netns", "del", name);
  return made;
}

/** A namespace for ssh and one for the server, with a cable between them. */
function cable(): void {
  for (const name of [HERE, THERE]) {
    ip("netns", "add", name);
    atEnd(() => ip("netns", "del", name));
    ip("-n", name, "link", "set", "lo", "up");
  }
  ip("link", "add", "v0", "netns", HERE, "type", "veth", "peer", "name", "v0", "netns", THERE);
  ip("-n", THERE, "addr", "add", `${SERVER}/24`, "dev", "v0");
  for (const name of [HERE, THERE]) ip("-n", name, "link", "set", "v0", "up");
}

const address = (what: "add" | "del", last: number): unknown =>
  ip("-n", HERE, "addr", what, `10.77.0.${last}/24`, "dev", "v0");

/** The rig's server, reached in the other namespace: a Unix socket crosses where TCP does not. */
async function serveThere(rig: Rig): Promise<void> {
  const path = join(rig.home.stateDir, "relay");
  const relay = createServer((socket) => {
    const inner = connect(rig.port, "127.0.0.1");
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ] as const)
      one.on("error", () => one.destroy()).on("close", () => other.destroy());
    socket.pipe(inner).pipe(socket);
  });
  await once(relay.listen(path), "listening");
  atEnd(() => relay.close());
  const listen = `TCP-LISTEN:${PORT},bind=${SERVER},fork,reuseaddr`;
  const socat = spawn("nsenter", inside(THERE, "socat", listen, `UNIX-CONNECT:${path}`), { stdio: "ignore" });
  atEnd(() => socat.kill("SIGKILL"));
  const reaches = () =>
    spawnSync("nsenter", inside(HERE, "socat", "-u", "OPEN:/dev/null", `TCP:${SERVER}:${PORT}`));
  await expect.poll(() => reaches().status).toBe(0);
}

test.skipIf(!canMakeNamespaces())(
  "T-11 real ssh goes on at once when the local address changes, long before a ping would tell",
  async () => {
    const sshd = await startSshd();
    atEnd(() => sshd.stop());
    const { rig } = await given(undefined, { dial: () => sshd.dial() });
    cable();
    address("add", 1);
    await serveThere(rig);
    pointTo(rig.home, `http://${SERVER}:${PORT}`);
    await giveSshConfig(rig, sshd);
    const trace = join(rig.home.stateDir, "trace");
    const words = ["ssh", "-F", sshConfigFile(rig.home), "-o", "ControlPath=none", "hello", "cat"];
    const ssh = spawn("nsenter", inside(HERE, ...words), {
      env: { ...cleanEnv(), GPU_DEV_SSH_DEBUG: trace },
    });
    atEnd(() => ssh.kill("SIGKILL"));
    const ended = outcome(ssh);
    const typed = async (line: string): Promise<void> => {
      ssh.stdin.write(line);
      expect(String((await once(ssh.stdout, "data"))[0])).toBe(line);
    };
    await typed("before\n");
    address("del", 1);
    address("add", 2);
    await typed("after\n");
    ssh.stdin.end();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    const events = readFileSync(trace, "utf8");
    expect(events).toContain('redial why="this computer moved to another network"');
    expect(events).toMatch(/ connected from=10\.77\.0\.1 .* connected from=10\.77\.0\.2 /s);
    expect(events).not.toContain("nothing was heard");
    expect(rig.logs.filter((line) => line.includes("tunnel resumed"))).toHaveLength(1);
  },
);
