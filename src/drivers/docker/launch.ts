/** Launching a pod: a container under its name, which only one caller can make, then its first process, which is told what to do. */
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { DriverError, LaunchRefused } from "../driver.ts";
import {
  type Container,
  findContainer,
  isAlive,
  isCreated,
  isUnborn,
  isUntold,
  removeContainer,
} from "./container.ts";
import { listens } from "./dial.ts";
import { type Engine, EngineError } from "./engine.ts";
import { ProcessStream } from "./frames.ts";
import { requireFreeGpus } from "./gpu-guard.ts";
import type { Names } from "./names.ts";
import { containerOf, initScript, type PodPlan } from "./pod.ts";
import { telling } from "./script.ts";
import { TOOLS_MOUNT } from "./tools.ts";

/** Another server that has begun with this pod needs less; one that was killed in the middle takes as long as that. */
const OTHERS_MS = 3000;
const POLL_MS = 50;
/** For its sshd to listen; one that takes longer is looked at again and again. */
const LISTENS_MS = 3000;
const MOST_SAID = 500;

/** Somebody took them away, or emptied their volume, after it was looked at. */
export class ToolsMissing extends DriverError {}

/** Resolves once the pod's first process runs, whoever started it. Throws LaunchRefused for what will not be otherwise. */
export async function launchContainer(engine: Engine, plan: PodPlan): Promise<void> {
  const made = await create(engine, plan);
  const container = made ?? (await unbornOfAnother(engine, plan));
  if (container === undefined) return;
  try {
    await requireFreeGpus(engine, plan, container);
    await begin(engine, container, plan);
  } catch (error) {
    await removeContainer(engine, container);
    throw refused(error);
  }
}

/** The new container; undefined where there is one of that name. */
async function create(engine: Engine, plan: PodPlan): Promise<string | undefined> {
  const name = plan.names.of(plan.spec.name);
  try {
    const body = containerOf(plan);
    return (await engine.ask<{ Id: string }>("POST", "/containers/create", { query: { name }, body })).Id;
  } catch (error) {
    if (error instanceof EngineError && error.status === 409) return undefined;
    throw refused(error);
  }
}

/** The container that another made, where we have to start it; or a new one in the place of one that was never told what to do. */
async function unbornOfAnother(engine: Engine, plan: PodPlan): Promise<string | undefined> {
  const { names, spec } = plan;
  const until = performance.now() + OTHERS_MS;
  let container: Container | undefined;
  do {
    container = await findContainer(engine, names, spec.name);
    if (!container) throw new DriverError("the pod was ended while it was being set up");
    if (isCreated(container)) await pause(POLL_MS);
  } while (isCreated(container) && performance.now() < until);
  if (isCreated(container)) return container.Id;
  if (await isBegun(engine, names, spec.name)) return undefined;
  await removeContainer(engine, container.Id);
  return create(engine, plan);
}

/** Whether there is such a pod, which has been told what to do: one that runs may still be told, or its teller is gone and so will it be. */
export async function isBegun(engine: Engine, names: Names, pod: string): Promise<boolean> {
  const until = performance.now() + OTHERS_MS;
  do {
    const container = await findContainer(engine, names, pod);
    if (!container || isUnborn(container)) return false;
    if (!isAlive(container) || (await listens({ engine, container: container.Id }))) return true;
    await pause(POLL_MS);
  } while (performance.now() < until);
  return true;
}

const NOT_MODIFIED = 304;

/** Starts it and tells it what to do; resolves when its sshd listens, or when that takes long. */
async function begin(engine: Engine, container: string, plan: PodPlan): Promise<void> {
  const path = `/containers/${container}/attach?stream=1&stdin=1&stdout=1`;
  const init = new ProcessStream(await engine.upgrade(path));
  // Whoever reads it learns of it.
  init.on("error", () => undefined);
  try {
    const { statusCode } = (await engine.open("POST", `/containers/${container}/start`)).resume();
    // Who has started it tells it.
    if (statusCode === NOT_MODIFIED) return;
    init.write(telling(initScript(plan)));
    const said = await lastWords(init);
    if (said === undefined) return;
    const ended = await findContainer(engine, plan.names, plan.spec.name);
    if (ended && isUntold(ended))
      throw new DriverError(`the pod could not begin: ${said || "it was not told what to do"}`);
  } finally {
    init.destroy();
  }
}

/** What it said before it ended; undefined as soon as its sshd listens, or when nothing is known in time. */
async function lastWords(init: Readable): Promise<string | undefined> {
  const late = setTimeout(() => init.destroy(), LISTENS_MS);
  let said = "";
  try {
    for await (const bytes of init) {
      said = (said + String(bytes)).slice(-MOST_SAID);
      if (said.includes("Server listening")) return undefined;
    }
    return said.trim();
  } catch {
    // What became of it is seen by who looks.
    return undefined;
  } finally {
    clearTimeout(late);
  }
}

const BAD_REQUEST = 400;
/** Somebody may make room: it is tried again as long as the reservation may take to begin. */
const FULL = /no space left on device|disk quota exceeded/i;
const NO_GPUS = /could not select device driver|unknown runtime|nvidia-container-cli|unresolvable CDI/;

function refused(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error;
  if (error.message.includes(TOOLS_MOUNT))
    return new ToolsMissing(`what pods need is not on the host any more: ${error.message}`, { cause: error });
  if (error.status === BAD_REQUEST) return new LaunchRefused(error.message, { cause: error });
  if (FULL.test(error.message))
    return new DriverError(
      `the disk of the Docker host is full (docker system prune makes room): ${error.message}`,
      {
        cause: error,
      },
    );
  if (!NO_GPUS.test(error.message)) return error;
  return new LaunchRefused(
    `the Docker host cannot give its GPUs to containers; is NVIDIA's container toolkit installed there? ${error.message}`,
    { cause: error },
  );
}
