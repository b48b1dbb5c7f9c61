/** A byte stream to a port of a pod: straight to its address where that is reached from here, else through a process inside. */
import { once } from "node:events";
import type { Duplex, Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { BlockSocket } from "../../api/block-socket.ts";
import { DriverError } from "../driver.ts";
import { type Engine, unlessStatus } from "./engine.ts";
import { streamTo } from "./exec.ts";
import { CONTROL } from "./places.ts";
import { BASH, TOOLS } from "./tools.ts";

const SSH_PORT = 22;
const CONNECT_MS = 2000;
const BANNER_MS = 2000;
const RELAY_MS = 8000;
const LISTENS_MS = 3000;
const POLL_MS = 50;
const LONGEST_BANNER = 1000;

/** Where a pod is. */
export interface Target {
  readonly engine: Engine;
  readonly container: string;
  readonly pod: string;
  readonly address: string;
}

/** Whether the addresses of a host's containers are reached from here: found out beside the first dial, which does not wait for it. */
export class Doors {
  #direct: Promise<boolean> | boolean | undefined;

  /** Throws DriverError when nothing answers. */
  async dial(target: Target, port: number): Promise<Duplex> {
    if (port !== SSH_PORT) return relay(target, port);
    const straight = this.#direct === true ? await connect(target).catch(() => undefined) : undefined;
    if (straight) return straight;
    // A way that was there may be gone: who finds none goes inside, and it is found out anew.
    if (this.#direct === true) this.#direct = undefined;
    const stream = await sshd(target);
    this.#direct ??= isReached(target).then((direct) => {
      this.#direct = direct;
      return direct;
    });
    return stream;
  }
}

async function connect({ address }: Target): Promise<BlockSocket> {
  // A container without a network has no address, and to node:net that is this machine.
  if (address === "") throw new DriverError("the pod has no address");
  const socket = new BlockSocket({ allowHalfOpen: true, noDelay: true }).connect(SSH_PORT, address);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_MS) });
    return socket;
  } catch (cause) {
    socket.destroy();
    throw new DriverError("the pod's sshd does not answer", { cause });
  }
}

/**
 * A network elsewhere may have the same addresses as one that is reached from here: what answers must be the pod, which sshd says when
 * it introduces itself.
 */
async function isReached(target: Target): Promise<boolean> {
  const socket = await connect(target).catch(() => undefined);
  if (!socket) return false;
  socket.unref();
  try {
    return (await firstLine(socket)).includes(target.pod);
  } finally {
    socket.destroy();
  }
}

/** By the file that sshd makes then. */
export async function listens({ engine, container }: Pick<Target, "engine" | "container">): Promise<boolean> {
  const query = { path: `${CONTROL}/sshd.pid` };
  const asked = engine.open("HEAD", `/containers/${container}/archive`, { query });
  return (await unlessStatus(404, asked))?.resume() !== undefined;
}

async function firstLine(stream: Readable): Promise<string> {
  let text = "";
  const late = setTimeout(() => stream.destroy(), BANNER_MS);
  try {
    for await (const bytes of stream.iterator({ destroyOnReturn: false })) {
      text += String(bytes);
      if (text.includes("\n") || text.length > LONGEST_BANNER) break;
    }
  } catch {
    // It closed, or said nothing: it is not the pod.
  } finally {
    clearTimeout(late);
  }
  return text;
}

/**
 * Without a peer's address sshd calls it "UNKNOWN", and records of a login with a terminal have that name looked up: where no name
 * service answers, ten seconds and more. So the pod knows it.
 */
const KNOWN = `IFS= read -r -d '' hosts </etc/hosts
[[ $hosts == *UNKNOWN* ]] || echo 0.0.0.0 UNKNOWN >>/etc/hosts`;

/** A process of sshd for this one connection, once the pod's own sshd listens; both write into the same log. */
async function sshd(target: Target): Promise<Duplex> {
  const { engine, container } = target;
  await untilListens(target);
  const serve = `exec 2>${CONTROL}/say\n${KNOWN}\nexec ${TOOLS}/bin/sshd -i -e -f ${CONTROL}/sshd_config`;
  return streamTo(engine, container, { command: [BASH, "-c", serve] });
}

/** It says that it listens a moment before it makes the file by which others see it. */
async function untilListens(target: Target): Promise<void> {
  const until = performance.now() + LISTENS_MS;
  while (!(await listens(target))) {
    if (performance.now() > until) throw new DriverError("the pod's sshd does not listen yet");
    await pause(POLL_MS);
  }
}

/**
 * Passes bytes on to a port of the pod's own loopback. It says "+" once it is connected. When nothing more is asked, the
 * answer has a minute to come to its end: whoever asked may be gone, which the engine does not tell.
 */
const RELAY = `PATH=${TOOLS}/bin
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
echo +
exec 6<&0
cat <&6 >&3 &
asking=$!
cat <&3 &
answering=$!
exec 3<&- 6<&-
{ while kill -0 "$asking"; do sleep 1; done; sleep 60; kill "$answering"; } 2>/dev/null >&2 &
patience=$!
wait "$answering"
kill "$asking" "$patience" 2>/dev/null
`;

async function relay({ engine, container }: Target, port: number): Promise<Duplex> {
  const command = [BASH, "-c", RELAY, "relay", String(port)];
  const stream = await streamTo(engine, container, { command });
  const late = setTimeout(() => stream.destroy(), RELAY_MS);
  try {
    for await (const bytes of stream.iterator({ destroyOnReturn: false })) {
      const said: Buffer = bytes;
      if (said.length < 2) throw new DriverError("the pod's relay said something else");
      if (said.length > 2) stream.unshift(said.subarray(2));
      return stream;
    }
  } catch {
    // The same as an end.
  } finally {
    clearTimeout(late);
  }
  stream.destroy();
  throw new DriverError(`nothing answers on port ${port} of the pod`);
}
