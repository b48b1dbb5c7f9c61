/** Launching a pod: a container under its name, which only one caller can make, then its files, then its first process. */
import { setTimeout as pause } from "node:timers/promises";
import { DriverError, LaunchRefused } from "../driver.ts";
import { type Container, findContainer, isUnborn } from "./container.ts";
import { type Engine, EngineError, unlessStatus } from "./engine.ts";
import { requireFreeGpus } from "./gpu-guard.ts";
import { containerOf, controlFiles, type PodPlan } from "./pod.ts";

/** Another server that has begun with this pod needs less; one that was killed in the middle takes as long as that. */
const OTHERS_MS = 3000;
const POLL_MS = 50;

/** Resolves once the pod's first process runs, whoever started it. Throws LaunchRefused for what will not be otherwise. */
export async function launchContainer(engine: Engine, plan: PodPlan): Promise<void> {
  const made = await create(engine, plan);
  const container = made ?? (await unbornOfAnother(engine, plan));
  if (container === undefined) return;
  try {
    await requireFreeGpus(engine, plan, container);
    await engine.ask("PUT", `/containers/${container}/archive`, {
      query: { path: "/" },
      body: controlFiles(plan),
    });
    await engine.ask("POST", `/containers/${container}/start`);
  } catch (error) {
    await unlessStatus(
      404,
      engine.ask("DELETE", `/containers/${container}`, { query: { force: true, v: true } }),
    );
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

/** Waits for the one who made it to start it; the container when nobody does, so that we have to. */
async function unbornOfAnother(engine: Engine, { names, spec }: PodPlan): Promise<string | undefined> {
  const until = performance.now() + OTHERS_MS;
  let container: Container | undefined;
  do {
    container = await findContainer(engine, names, spec.name);
    if (!container) throw new DriverError("the pod was ended while it was being set up");
    if (!isUnborn(container)) return undefined;
    await pause(POLL_MS);
  } while (performance.now() < until);
  return container.Id;
}

const BAD_REQUEST = 400;
/** Somebody may make room: it is tried again as long as the reservation may take to begin. */
const FULL = /no space left on device|disk quota exceeded/i;
const NO_GPUS = /could not select device driver|unknown runtime|nvidia-container-cli|unresolvable CDI/;

function refused(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error;
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
