/** A client's machine and a server's, in network namespaces of their own with a cable between them (needs root and Linux). */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { Rig } from "./rig.ts";
import { atEnd } from "./scene.ts";

const [HERE, THERE] = [`gdh${process.pid}`, `gdt${process.pid}`];
const NETWORK = "10.77.0.0/24";
const SERVER = "10.77.0.254";
const PORT = 4780;
/** Of the cable, in both. */
const DEVICE = "slow0";

export const serverUrl = `http://${SERVER}:${PORT}`;

const ip = (...args: string[]): unknown => execFileSync("ip", args, { stdio: "pipe" });

/** False where namespaces cannot be made, for want of root or of the right; then it says so. */
export function canMakeNamespaces(): boolean {
  const name = `gdp${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (made.status === 0) ip("netns", "del", name);
  else console.warn(`tests with networks of their own are skipped: ${made.error ?? made.stderr}`);
  return made.status === 0;
}

/** False without the devices of which a lossy cable is made; then it says so. */
export function hasTunDevices(): boolean {
  const there = existsSync("/dev/net/tun");
  if (!there) console.warn("tests with a lossy network are skipped: there is no /dev/net/tun");
  return there;
}

/** Words for nsenter that run a command on the client's machine. */
export const onClient = (...words: string[]): string[] => [`--net=/run/netns/${HERE}`, ...words];
const onServer = (...words: string[]): string[] => [`--net=/run/netns/${THERE}`, ...words];

function places(): void {
  for (const name of [HERE, THERE]) {
    ip("netns", "add", name);
    atEnd(() => ip("netns", "del", name));
    ip("-n", name, "link", "set", "lo", "up");
  }
}

const address = (what: "add" | "del", last: number): unknown =>
  ip("-n", HERE, "addr", what, `10.77.0.${last}/24`, "dev", DEVICE);

/** Both places and a good cable; the client's address is 10.77.0.1. */
export function goodCable(): void {
  places();
  ip("link", "add", DEVICE, "netns", HERE, "type", "veth", "peer", "name", DEVICE, "netns", THERE);
  ip("-n", THERE, "addr", "add", `${SERVER}/24`, "dev", DEVICE);
  for (const name of [HERE, THERE]) ip("-n", name, "link", "set", DEVICE, "up");
  address("add", 1);
}

/** Both places and a cable that drops packets: always some, and all of them when it is told to. */
export async function lossyCable(loss: number): Promise<{ drop(all: boolean): void }> {
  places();
  const script = fileURLToPath(new URL("../../bench/slow-link.py", import.meta.url));
  const link: ChildProcess = spawn("python3", [script, HERE, "10.77.0.1", THERE, SERVER, "1", String(loss)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(link, "exit");
  atEnd(() => {
    link.kill();
    return gone;
  });
  const up = once(link.stdout ?? link, "data");
  if ((await Promise.race([up, gone.then(() => "gone")])) === "gone")
    throw new Error("the lossy cable could not be made; its words are above");
  for (const name of [HERE, THERE]) ip("-n", name, "route", "replace", NETWORK, "dev", DEVICE);
  return { drop: (all) => link.kill(all ? "SIGUSR1" : "SIGUSR2") };
}

/** The client's machine gets another address, and loses the one that it had. */
export function move(to: number): void {
  ip("-n", HERE, "addr", "flush", "dev", DEVICE);
  address("add", to);
}

/** A port of 127.0.0.1, reached on the server's machine under `serverUrl`: a Unix socket crosses where TCP does not. */
export async function serveThere({ home }: Pick<Rig, "home">, port: number): Promise<void> {
  const path = join(home.stateDir, "relay");
  const relay = createServer((socket) => {
    const inner = connect(port, "127.0.0.1");
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
  const socat = spawn("nsenter", onServer("socat", listen, `UNIX-CONNECT:${path}`), { stdio: "ignore" });
  atEnd(() => socat.kill("SIGKILL"));
  const reaches = () =>
    spawnSync("nsenter", onClient("socat", "-u", "OPEN:/dev/null", `TCP:${SERVER}:${PORT}`));
  await expect.poll(() => reaches().status).toBe(0);
}
