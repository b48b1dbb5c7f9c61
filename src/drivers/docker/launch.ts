/** Launching a pod: a container under its name, which only one caller can make, then its first process, which is told what to do. */
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { DriverError, LaunchRefused } from "../driver.ts";
import {
  type Container,
  findContainer,
  isAlive,
  isCreated,
  isLost,
  isUnborn,
  isUntold,
  removeContainer,
  removeUnborn,
} from "./container.ts";
import { listens } from "./dial.ts";
import { type Engine, EngineError } from "./engine.ts";
import { ProcessStream } from "./frames.ts";
import { requireFreeGpus } from "./gpu-guard.ts";
import { InitLine } from "./init-line.ts";
import type { Names } from "./names.ts";
import { containerOf, initScript, type PodPlan } from "./pod.ts";
import { telling } from "./script.ts";
import { TOOLS_MOUNT } from "./tools.ts";

/** Another server that has begun with this pod needs less; one that was killed in the middle takes as long as that. */
const OTHERS_MS = 3000;
const POLL_MS = 50;
/** For its sshd to listen; one that takes longer is looked at again and again. */
const LISTENS_MS = 10_000;
const LISTENS = "Server listening";
const MOST_SAID = 500;

/** Somebody took them away, or emptied their volume, after it was looked at. */
export class ToolsMissing extends DriverError {}

/**
 * Resolves once the pod's first process runs, whoever started it; with the line to it, if it was us and its sshd listens. Throws
 * LaunchRefused for what will not be otherwise.
 */
export async function launchContainer(engine: Engine, plan: PodPlan): Promise<InitLine | undefined> {
  const made = await create(engine, plan);
  const container = made ?? (await unbornOfAnother(engine, plan));
  if (container === undefined) return undefined;
  try {
    await requireFreeGpus(engine, plan, container);
    return await begin(engine, container, plan);
  } catch (error) {
    await removeUnborn(engine, container).catch(() => undefined);
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

/** Whether what is there of a pod is less than one: an engine that ends while it starts a container leaves one that never got to its sshd. */
export const isUnbegun = async (engine: Engine, container: Container): Promise<boolean> =>
  isUnborn(container) || (isLost(container) && !(await listens({ engine, container: container.Id })));

/** Whether there is such a pod, which has been told what to do: one that runs may still be told, or its teller is gone and so will it be. */
export async function isBegun(engine: Engine, names: Names, pod: string): Promise<boolean> {
  const until = performance.now() + OTHERS_MS;
  do {
    const container = await findContainer(engine, names, pod);
    if (!container || (await isUnbegun(engine, container))) return false;
    if (!isAlive(container) || (await listens({ engine, container: container.Id }))) return true;
    await pause(POLL_MS);
  } while (performance.now() < until);
  return true;
}

const NOT_MODIFIED = 304;

/** Starts it and tells it what to do; resolves when its sshd listens, with the line to it, or when that takes long. */
async function begin(engine: Engine, container: string, plan: PodPlan): Promise<InitLine | undefined> {
  const path = `/containers/${container}/attach?stream=1&stdin=1&stdout=1`;
  const init = new ProcessStream(await engine.upgrade(path));
  // Whoever reads it learns of it.
  init.on("error", () => undefined);
  let line: InitLine | undefined;
  try {
    const { statusCode } = (await engine.open("POST", `/containers/${container}/start`)).resume();
    if (statusCode === NOT_MODIFIED) {
      // Who has started it tells it: its input would end for both if we went now.
      await isBegun(engine, plan.names, plan.spec.name);
      return undefined;
    }
    init.write(telling(initScript(plan)));
    const { said, over } = await firstWords(init);
    if (said.includes(LISTENS)) line = new InitLine(init);
    else if (over) await requireTold(engine, plan, said);
    return line;
  } finally {
    if (line === undefined) init.destroy();
  }
}

async function requireTold(engine: Engine, { names, spec }: PodPlan, said: string): Promise<void> {
  const ended = await findContainer(engine, names, spec.name);
  if (ended && isUntold(ended))
    throw new DriverError(`the pod could not begin: ${said.trim() || "it was not told what to do"}`);
}

/** What it says until its sshd listens, or its end, or until that takes long. */
async function firstWords(init: Readable): Promise<{ said: string; over: boolean }> {
  const late = setTimeout(() => init.destroy(), LISTENS_MS);
  let said = "";
  try {
    for await (const bytes of init.iterator({ destroyOnReturn: false })) {
      said = (said + String(bytes)).slice(-MOST_SAID);
      if (said.includes(LISTENS)) return { said, over: false };
    }
    return { said, over: true };
  } catch {
    // What became of it is seen by who looks.
    return { said, over: false };
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
