/** T-09 with real processes: a gateway and an ssh-proxy of their own, whose memory is looked at from outside. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { cleanEnv, outcome, pointTo, type Rig, spawnProxy, startRig } from "./rig.ts";
import { startPod, type TestPod } from "./test-pod.ts";

const MIB = 1024 * 1024;
/** Two windows of 8 MiB, and 8 MiB. */
const ALLOWED = 24 * MIB;
/** Many times what all buffers on the way hold. */
const OFFERED = 160 * MIB;
const WARM_UP = 16 * MIB;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Memory of the process alone, in bytes: resident, without shared libraries and files. */
function memory({ pid }: ChildProcess): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

async function startGateway(pod: TestPod, rig: Rig): Promise<ChildProcess> {
  const script = fileURLToPath(new URL("gateway-process.ts", import.meta.url));
  const stdio = ["ignore", "pipe", "inherit"] as ["ignore", "pipe", "inherit"];
  const child = spawn(process.execPath, [script, String(pod.port)], { env: cleanEnv(), stdio });
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  pointTo(rig.home, `http://127.0.0.1:${line.toString().trim()}`);
  return child;
}

interface Scene {
  readonly gateway: ChildProcess;
  readonly proxy: ChildProcess;
  readonly pod: Socket;
}

/** An open tunnel that has moved some megabytes each way: what is idle then is no longer starting up. */
async function given(): Promise<Scene> {
  const pod = await startPod((socket) => socket.write(Buffer.alloc(WARM_UP)));
  const rig = await startRig();
  cleanups.push(
    () => pod.close(),
    () => rig.close(),
  );
  const gateway = await startGateway(pod, rig);
  const proxy = spawnProxy(rig);
  cleanups.push(() => proxy.kill("SIGKILL"));
  proxy.stdin?.write(Buffer.alloc(WARM_UP));
  await read(proxy.stdout as Readable, WARM_UP);
  const [socket] = pod.accepted as [Socket];
  await read(socket, WARM_UP);
  return { gateway, proxy, pod: socket };
}

/** Reads so many bytes, and then no more. */
async function read(from: Readable, bytes: number): Promise<void> {
  let count = 0;
  const take = (data: Buffer): void => {
    count += data.length;
  };
  from.on("data", take).resume();
  await expect.poll(() => count).toBe(bytes);
  from.off("data", take).pause();
}

/** Offers more and more, as fast as it is taken; `count` says how much was. */
function offer(to: Writable): { count(): number } {
  const chunk = Buffer.alloc(64 * 1024);
  let offered = 0;
  const write = (): void => {
    while (offered < OFFERED && to.writableLength < chunk.length) {
      offered += chunk.length;
      to.write(chunk);
    }
    if (offered >= OFFERED) to.off("drain", write);
  };
  to.on("drain", write);
  write();
  return { count: () => offered };
}

/** Nothing more is taken: the same count at several looks in a row. */
async function stuck({ count }: { count(): number }): Promise<void> {
  let before = -1;
  let same = 0;
  const look = (): number => {
    same = count() === before ? same + 1 : 0;
    before = count();
    return same;
  };
  await expect.poll(look, { interval: 200 }).toBeGreaterThanOrEqual(4);
}

test.each(["the reader of the proxy's stdout", "the pod's reader"])(
  "T-09 with %s stopped, nothing grows beyond two windows and 8 MiB, and all arrives later",
  async (who) => {
    const { gateway, proxy, pod } = await given();
    const idle = { gateway: memory(gateway), proxy: memory(proxy) };
    const [writer, reader] = who === "the pod's reader" ? [proxy.stdin, pod] : [pod, proxy.stdout];
    const offered = offer(writer as Writable);
    await stuck(offered);
    expect(offered.count()).toBeGreaterThan(8 * MIB);
    expect(offered.count()).toBeLessThan(OFFERED);
    const grown = { gateway: memory(gateway) - idle.gateway, proxy: memory(proxy) - idle.proxy };
    expect(grown.gateway).toBeLessThan(ALLOWED);
    expect(grown.proxy).toBeLessThan(ALLOWED);
    await read(reader as Readable, OFFERED);
    const ended = outcome(proxy);
    proxy.kill("SIGTERM");
    expect(await ended).toMatchObject({ signal: "SIGTERM", stderr: "" });
  },
);
