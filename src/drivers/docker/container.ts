/** A pod's container, as the engine describes it. */
import { DriverError } from "../driver.ts";
import { type ContainerState, EXIT, UNKNOWN } from "./death.ts";
import { type Engine, unlessUsed } from "./engine.ts";
import { LABEL, type Names } from "./names.ts";

export interface Container {
  readonly Id: string;
  readonly State: ContainerState;
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
  readonly HostConfig: { readonly DeviceRequests: readonly object[] | null; readonly NanoCpus: number };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> | null;
  };
}

/** The pod's container; undefined where there is none. Throws DriverError for one of somebody else's with its name. */
export async function findContainer(
  engine: Engine,
  names: Names,
  pod: string,
): Promise<Container | undefined> {
  const container = await engine.find<Container>(`/containers/${names.of(pod)}/json`);
  if (!container) return undefined;
  const labels = container.Config.Labels ?? {};
  if (labels[LABEL.deployment] === names.deployment && labels[LABEL.pod] === pod) return container;
  throw new DriverError(`what is called ${names.of(pod)} is no pod of this deployment and is left alone`);
}

/** The pods of this deployment whose containers an engine has, dead ones included, or only those in that state. */
export async function listPods(engine: Engine, names: Names, status?: "exited"): Promise<string[]> {
  const filters = names.filterBy(status === undefined ? {} : { status: [status] }, LABEL.pod);
  const containers = await engine.ask<{ Labels: Record<string, string> }[]>("GET", "/containers/json", {
    query: { all: true, filters },
  });
  // Those of builds have this label, too, and nothing in it.
  return containers.flatMap(({ Labels }) => Labels[LABEL.pod] || []);
}

/** It was never started. */
export const isCreated = ({ State }: Container): boolean => State.Status === "created";

/** Its first process has ended, because who started it did so before that was told what to do; somebody may be taking it away. */
export const isUntold = ({ State }: Container): boolean =>
  ENDED.includes(State.Status) && State.ExitCode === EXIT.untold;

/** It ended while its engine was away. */
export const isLost = ({ State }: Container): boolean =>
  ENDED.includes(State.Status) && State.ExitCode === UNKNOWN;

/** As engines have it; podman has its own word for some. */
const ENDED = ["exited", "stopped", "removing", "dead"];

/** A launch that did not get as far as the pod's own first process: free to happen again. */
export const isUnborn = (container: Container): boolean => isCreated(container) || isUntold(container);

export const isAlive = ({ State }: Container): boolean => ["running", "paused"].includes(State.Status);

export const hasDisk = ({ Config }: Container): boolean => (Config.Labels?.[LABEL.disk] ?? "") !== "";

/** In the network of the pod; empty where it has none any more. */
export const addressOf = ({ NetworkSettings }: Container): string =>
  Object.values(NetworkSettings.Networks ?? {})[0]?.IPAddress ?? "";

/** Whether it was given real GPUs. */
export const hasGpus = ({ HostConfig }: Container): boolean => (HostConfig.DeviceRequests ?? []).length > 0;

/** One that was to be a pod, unless it runs by now: whoever started it has told it what to do, or it ends by itself. */
export async function removeUnborn(engine: Engine, id: string): Promise<void> {
  await unlessUsed(engine, `/containers/${id}?v=true`);
}

/** With what it made for itself; at once when it is gone, or somebody else is at it. */
export async function removeContainer(engine: Engine, id: string): Promise<void> {
  await unlessUsed(engine, `/containers/${id}?force=true&v=true`);
}
