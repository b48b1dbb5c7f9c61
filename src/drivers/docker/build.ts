/** Building an image from a user's context: by the engine, without rights, within bounds of time, memory, processes, size and network. */
import { exactDuration } from "../../api/duration.ts";
import { parseImageReference } from "../../api/image-reference.ts";
import { LaunchRefused, type PodImage, type RegistryLogin } from "../driver.ts";
import { sentContext } from "./build-context.ts";
import { refuseUnbounded, requireAccessTo } from "./build-guard.ts";
import type { BuildSteps } from "./build-steps.ts";
import type { Dockerfile } from "./dockerfile.ts";
import { type Engine, EngineError } from "./engine.ts";
import { imageFault } from "./image-faults.ts";
import { messagesOf } from "./messages.ts";
import type { Preparing } from "./preparing.ts";
import type { ImageHost } from "./pull.ts";
import { authConfig } from "./registry-auth.ts";
import { StepWatch } from "./step-watch.ts";

export interface BuildBounds {
  /** The engine's network for its steps, or "none". */
  readonly network: string;
  readonly timeMaxS: number;
  readonly memory: number;
  readonly cpus: number;
  /** Processes and threads of one step. */
  readonly pids: number;
  readonly imageMax: number;
  /** What stays free on the host, bytes. */
  readonly freeMin: number;
}

export interface BuildPlan {
  readonly build: Extract<PodImage, { build: unknown }>["build"];
  readonly dockerfile: Dockerfile;
  /** Of all that comes of it: its user's alone, so that the engine takes no step from what another user's build made. */
  readonly labels: Readonly<Record<string, string>>;
  readonly logins: Readonly<Record<string, RegistryLogin>>;
  readonly bounds: BuildBounds;
}

const PERIOD_US = 100_000;

/** Resolves with the id of the image, which has no name yet. Throws LaunchRefused when it cannot be built, DriverError when it could not be tried. */
export async function buildImage(
  host: ImageHost,
  plan: BuildPlan,
  preparing: Preparing,
  steps: BuildSteps,
): Promise<string> {
  const { engine } = host;
  const { labels, bounds } = plan;
  const late = AbortSignal.timeout(bounds.timeMaxS * 1000);
  const isOwn = (found: Readonly<Record<string, string>>): boolean =>
    Object.entries(labels).every(([name, value]) => found[name] === value);
  const watch = new StepWatch(host, bounds, isOwn);
  const signal = AbortSignal.any([late, watch.signal, preparing.signal]);
  let made: string | undefined;
  preparing.say("building the image");
  try {
    for await (const message of messagesOf(await begin(engine, plan, signal))) {
      // Nothing is noted any more for a pod that was told to end.
      signal.throwIfAborted();
      if (message.error !== undefined) throw faultOf(message.error, plan, steps);
      refuseUnbounded(message);
      await requireAccessTo(message, engine, plan.logins, signal);
      const container = steps.add(message);
      if (container !== undefined) await watch.begin(container);
      made = message.aux?.ID ?? made;
    }
  } catch (error) {
    if (late.aborted)
      throw new LaunchRefused(`the build took longer than ${exactDuration(bounds.timeMaxS)}${steps.where}`);
    if (watch.signal.aborted) throw new LaunchRefused(`${watch.signal.reason.message}${steps.where}`);
    throw error instanceof EngineError ? faultOf(error.message, plan, steps) : error;
  } finally {
    watch.close();
  }
  if (made === undefined) throw new LaunchRefused("the build made no image");
  return made;
}

function begin(engine: Engine, plan: BuildPlan, signal: AbortSignal) {
  const { build, dockerfile, labels, logins, bounds } = plan;
  return engine.open("POST", "/build", {
    query: {
      version: 1,
      dockerfile: build.dockerfile,
      // Each build asks the registries whether its user may have what it begins with.
      pull: true,
      rm: true,
      forcerm: true,
      networkmode: bounds.network,
      memory: bounds.memory,
      memswap: bounds.memory,
      cpuperiod: PERIOD_US,
      cpuquota: Math.round(bounds.cpus * PERIOD_US),
    },
    headers: authConfig(logins),
    body: sentContext(build.context, build.dockerfile, dockerfile.labelled(labels)),
    patienceMs: 0,
    signal,
  });
}

/** A base image that cannot be had is told as any other; all else is the Dockerfile's. */
function faultOf(said: string, { dockerfile }: BuildPlan, steps: BuildSteps): Error {
  const base = /^Step \d+\/\d+ : FROM (?:--\S+ )*(\S+)/i.exec(steps.where.slice(", at ".length));
  if (base?.[1] !== undefined && !/returned a non-zero code/.test(said))
    return imageFault(base[1], parseImageReference(base[1])?.host ?? base[1], said);
  const why = said
    .slice(0, 300)
    .replace(/\bline (\d+)/g, (_, line) => `line ${dockerfile.lineOf(Number(line))}`);
  return new LaunchRefused(`the image cannot be built${steps.where}: ${why}${steps.told}`);
}
