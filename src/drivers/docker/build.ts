/** Building an image from a user's context: by the engine, without rights, within bounds of time, memory, size and network. */
import { open } from "node:fs/promises";
import { exactDuration } from "../../api/duration.ts";
import { parseImageReference } from "../../api/image-reference.ts";
import { LaunchRefused, type PodImage, type RegistryLogin } from "../driver.ts";
import { refuseUnbounded, requireAccessTo, requireBounds } from "./build-guard.ts";
import { type Engine, EngineError } from "./engine.ts";
import { imageFault } from "./image-faults.ts";
import { type Message, messagesOf } from "./messages.ts";
import type { Preparing } from "./preparing.ts";
import { authConfig } from "./registry-auth.ts";
import { SizeWatch } from "./size-watch.ts";

export interface BuildBounds {
  /** The engine's network for its steps, or "none". */
  readonly network: string;
  readonly timeMaxS: number;
  readonly memory: number;
  readonly cpus: number;
  readonly imageMax: number;
}

export interface BuildPlan {
  readonly build: Extract<PodImage, { build: unknown }>["build"];
  readonly labels: Readonly<Record<string, string>>;
  readonly logins: Readonly<Record<string, RegistryLogin>>;
  readonly bounds: BuildBounds;
}

const PERIOD_US = 100_000;
/** Of a line that is kept. */
const LONGEST = 1000;
/** Lines of a step that failed. */
const TOLD = 5;

/** Resolves with the id of the image, which has no name yet. Throws LaunchRefused when it cannot be built, DriverError when it could not be tried. */
export async function buildImage(engine: Engine, plan: BuildPlan, preparing: Preparing): Promise<string> {
  const { timeMaxS, imageMax } = plan.bounds;
  const late = AbortSignal.timeout(timeMaxS * 1000);
  const size = new SizeWatch(engine, imageMax);
  const signal = AbortSignal.any([late, size.signal, preparing.signal]);
  const steps = new Steps(preparing);
  let made: string | undefined;
  preparing.say("building the image");
  await requireBounds(engine);
  try {
    for await (const message of messagesOf(await begin(engine, plan, signal))) {
      // Nothing is noted any more for a pod that was told to end.
      signal.throwIfAborted();
      if (message.error !== undefined) throw faultOf(message.error, steps);
      refuseUnbounded(message);
      await requireAccessTo(message, engine, plan.logins, signal);
      steps.add(message);
      size.see(message);
      made = message.aux?.ID ?? made;
    }
  } catch (error) {
    if (late.aborted)
      throw new LaunchRefused(`the build took longer than ${exactDuration(timeMaxS)}${steps.where}`);
    if (size.signal.aborted)
      throw new LaunchRefused(`the build wrote more than an image may have${steps.where}`);
    throw error instanceof EngineError ? faultOf(error.message, steps) : error;
  } finally {
    size.close();
  }
  if (made === undefined) throw new LaunchRefused("the build made no image");
  return made;
}

async function begin(engine: Engine, { build, labels, logins, bounds }: BuildPlan, signal: AbortSignal) {
  const file = await open(build.context).catch((cause) => {
    throw new LaunchRefused(
      "the image is not built, and what it was to be built from is not here any more: reserve again",
      {
        cause,
      },
    );
  });
  return engine.open("POST", "/build", {
    query: {
      version: 1,
      dockerfile: build.dockerfile,
      labels: JSON.stringify(labels),
      // Each build asks the registries whether its user may have what it begins with.
      pull: true,
      // What a step of somebody else made is not for everybody who has the same step.
      nocache: true,
      rm: true,
      forcerm: true,
      networkmode: bounds.network,
      memory: bounds.memory,
      memswap: bounds.memory,
      cpuperiod: PERIOD_US,
      cpuquota: Math.round(bounds.cpus * PERIOD_US),
    },
    headers: authConfig(logins),
    body: file.createReadStream(),
    patienceMs: 0,
    signal,
  });
}

/** What a build printed, by its steps. */
class Steps {
  readonly #preparing: Preparing;
  #rest = "";
  #step = "";
  #last: string[] = [];

  constructor(preparing: Preparing) {
    this.#preparing = preparing;
  }

  add({ stream, status, id }: Message): void {
    if (stream === undefined && id !== undefined) return;
    const lines = (this.#rest + (stream ?? `${status ?? ""}\n`)).split(/\r?\n/);
    this.#rest = (lines.pop() ?? "").slice(-4096);
    for (const line of lines) if (line.trim() !== "") this.#line(line);
  }

  #line(line: string): void {
    this.#preparing.note(line.slice(0, LONGEST));
    if (/^Step \d+\/\d+ : /.test(line)) {
      this.#step = line.slice(0, 120);
      this.#last = [];
      this.#preparing.say(`building the image: ${line.slice(0, 80)}`);
    } else if (!/^ ---> |^Removing intermediate container /.test(line))
      this.#last = [...this.#last, line.slice(0, 200)].slice(-TOLD);
  }

  get where(): string {
    return this.#step === "" ? "" : `, at ${this.#step}`;
  }

  get told(): string {
    return this.#last.length === 0 ? "" : `\n${this.#last.join("\n")}`;
  }
}

/** A base image that cannot be had is told as any other; all else is the Dockerfile's. */
function faultOf(said: string, steps: Steps): Error {
  const base = /^Step \d+\/\d+ : FROM (?:--\S+ )*(\S+)/i.exec(steps.where.slice(", at ".length));
  if (base?.[1] !== undefined && !/returned a non-zero code/.test(said))
    return imageFault(base[1], parseImageReference(base[1])?.host ?? base[1], said);
  return new LaunchRefused(`the image cannot be built${steps.where}: ${said.slice(0, 300)}${steps.told}`);
}
