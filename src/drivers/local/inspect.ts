/** What a pod is doing, from its control files. */
import type { Duplex } from "node:stream";
import { DriverError, type PodView } from "../driver.ts";
import { checkRuns, isAbandoned, readClaim, readPort } from "./control.ts";
import { deathOf } from "./death.ts";
import { connectTo } from "./ports.ts";

const SSH_PORT = 22;

/** A directory in which no init ever ran, or whose launch was given up, holds no pod: the launch is free to happen again. */
export async function viewPod(dir: string): Promise<PodView> {
  const claim = await readClaim(dir);
  if (claim === "unclaimed" || (await isAbandoned(dir))) return { state: "absent" };
  if (claim === "ended") return { state: "dead", reason: await deathOf(dir) };
  // sshd makes its pid file, for which the init waits before it tells the port, once it listens.
  const listens = (await readPort(dir)) !== undefined;
  return listens ? { state: "running" } : { state: "starting", reason: "sshd is starting" };
}

/** A stream to a port of the pod; its ports are the machine's, but for its sshd. */
export async function dialPod(dir: string, port: number): Promise<Duplex> {
  // The port of a pod that ended may be somebody else's by now.
  await checkRuns(dir);
  const target = port === SSH_PORT ? await readPort(dir) : port;
  if (target === undefined) throw new DriverError("the pod's sshd does not listen yet");
  return connectTo(target);
}
