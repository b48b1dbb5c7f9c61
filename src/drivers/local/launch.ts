/** Launching a pod: all its files first, then one process that claims them and outlives the server. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { DriverError, LaunchRefused, type PodSpec } from "../driver.ts";
import { addressOf, PEER_PORT } from "./addresses.ts";
import { deadlineText, lastLogLine, readClaim, readDeath } from "./control.ts";
import { bootId } from "./death.ts";
import { INIT_SCRIPT } from "./init-script.ts";
import type { Isolation } from "./isolation.ts";
import type { OpenSsh } from "./openssh.ts";
import { hostName, type Peers, peerEnvironment, peerFiles } from "./peers.ts";
import { control, readIfThere, SEARCH_PATH, writeWhole } from "./pod-dir.ts";
import { freePorts } from "./ports.ts";
import { podArgument } from "./process-table.ts";
import { keysText, sshdConfig } from "./sshd-config.ts";
import { START_SCRIPT } from "./start-script.ts";
import { makeTree } from "./tree.ts";

const SETUP_MS = 30_000;
const PORTS_TO_TRY = 8;
/** A pod ends itself this long after its deadline (L-18): the server, which ends it in time, goes first. */
const GRACE_S = 60;

export interface PodPlan {
  readonly dir: string;
  readonly spec: PodSpec;
  readonly isolation: Isolation;
  readonly openSsh: OpenSsh;
  readonly deploymentId: string;
  /** CUDA_VISIBLE_DEVICES. */
  readonly visible: string;
  /** The GPUs' nodes in /dev. */
  readonly devices: readonly string[];
  /** Undefined for a pod that is alone. */
  readonly peers: Peers | undefined;
  /** The directory of the disk that is its home. */
  readonly disk: string | undefined;
}

/** Makes the pod's directory and starts its init; resolves once that runs, throws DriverError when it does not. */
export async function makePod(plan: PodPlan): Promise<void> {
  const { dir, isolation } = plan;
  await mkdir(dir, { mode: 0o700 });
  await writeWhole(join(dir, "deployment"), plan.deploymentId);
  await makeTree(dir, isolation, {
    ...isolation.files(plan.devices),
    ...files(plan),
    boot: await bootId(),
  });
  // Last: one that was forked by a server that is dead by now finds everything else in place, or nothing to run.
  await writeWhole(control(dir, "start"), START_SCRIPT);
  await start(plan, await freePorts(PORTS_TO_TRY));
  if ((await readClaim(dir)) === "alive" || (await readDeath(dir)) !== undefined) return;
  const refused = await readIfThere(control(dir, "refused"));
  if (refused !== undefined) throw new LaunchRefused(refused.trim());
  throw new DriverError(`the pod could not be set up: ${await lastLogLine(dir)}`);
}

function files({ dir, spec, isolation, openSsh, visible, peers, disk }: PodPlan): Record<string, string> {
  return {
    ...(peers && peerFiles(spec, peers, isolation, dir)),
    ...(disk !== undefined && { disk: `${disk}\n` }),
    init: INIT_SCRIPT,
    gpus: spec.simulated ? "" : visible,
    host_key: spec.hostKey.endsWith("\n") ? spec.hostKey : `${spec.hostKey}\n`,
    authorized_keys: keysText(spec.authorizedKeys, isolation.session(dir)),
    deadline: deadlineText(spec.deadlineS),
    sshd_config: sshdConfig({
      openSsh,
      control: isolation.controlInside(dir),
      user: isolation.sshUser,
      environment: {
        ...spec.environment,
        ...environment(spec, visible),
        ...(peers && peerEnvironment(spec, peers, isolation, dir)),
        ...isolation.environment(dir, disk),
      },
      // The port is given on the command line.
      first: ["127.0.0.1", ...(peers ? [`${addressOf(peers.block, peers.gang.rank)}:${PEER_PORT}`] : [])].map(
        (address) => `ListenAddress ${address}`,
      ),
      forced: isolation.session(dir) !== undefined,
    }),
  };
}

const environment = (spec: PodSpec, visible: string): Record<string, string> => ({
  PATH: SEARCH_PATH,
  CUDA_VISIBLE_DEVICES: visible,
  GPU_DEV_POD: spec.name,
  GPU_DEV_RESERVATION_ID: spec.reservationId,
  GPU_DEV_GPU_TYPE: spec.gpuType,
  GPU_DEV_GPU_COUNT: String(spec.gpus.length),
  GPU_DEV_SIMULATED: spec.simulated ? "1" : "0",
});

/** Its stdio is its own, and so is its session: it outlives the server. File descriptor 3 has a line once the init runs. */
async function start(plan: PodPlan, ports: readonly number[]): Promise<void> {
  const { dir, spec, isolation, openSsh } = plan;
  const log = await open(control(dir, "log"), "a", 0o600);
  try {
    const child = spawn(
      "bash",
      [
        control(dir, "start"),
        podArgument(dir),
        ...isolation.command(dir, hostName(spec.reservationId, spec.gang?.rank)),
        openSsh.sshd,
        String(GRACE_S),
        ...ports.map(String),
      ],
      { cwd: "/", detached: true, env: { PATH: SEARCH_PATH }, stdio: ["ignore", log.fd, log.fd, "pipe"] },
    );
    child.unref();
    await initRuns(child);
  } catch (cause) {
    throw new DriverError("the pod's first process did not get as far as its init", { cause });
  } finally {
    await log.close();
  }
}

async function initRuns(child: ChildProcess): Promise<void> {
  const gate = child.stdio[3];
  if (!(gate instanceof Socket)) throw new TypeError("file descriptor 3 is a pipe");
  const signal = AbortSignal.timeout(SETUP_MS);
  const ready = ["data", "close"].map((event) => once(gate, event, { signal }));
  const failed = once(child, "error", { signal }).then(raise);
  try {
    await Promise.race([...ready, failed]);
  } finally {
    gate.destroy();
  }
}

const raise = ([error]: unknown[]): never => {
  throw error;
};
