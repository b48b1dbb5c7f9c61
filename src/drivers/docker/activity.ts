/** What goes on in a pod, as its processes tell. */
import type { Activity } from "../driver.ts";
import { type Container, hasGpus } from "./container.ts";
import type { Engine } from "./engine.ts";
import { SSH_USER } from "./places.ts";
import { gpusOf } from "./usage.ts";

const SSHD = new RegExp(`^sshd(?:-session)?: ${SSH_USER}\\b`);

/** Of a pod that runs; undefined when it cannot be known. */
export async function activityOf(engine: Engine, container: Container): Promise<Activity | undefined> {
  const [sessions, gpuBusy] = await Promise.all([
    sessionsOf(engine, container.Id),
    hasGpus(container) ? gpusBusy(engine, container.Id) : false,
  ]);
  return gpuBusy === undefined ? undefined : { sessions, gpuBusy };
}

/** sshd names its processes after who is logged in; of a connection those below the first are its parts. */
async function sessionsOf(engine: Engine, container: string): Promise<number> {
  const { Processes } = await engine.ask<{ Processes: string[][] }>("GET", `/containers/${container}/top`, {
    query: { ps_args: "-o pid,ppid,args" },
  });
  const connections = Processes.filter(([, , args = ""]) => SSHD.test(args));
  const pids = new Set(connections.map(([pid]) => pid));
  return connections.filter(([, parent]) => !pids.has(parent)).length;
}

/** Undefined when one of them does not tell. */
async function gpusBusy(engine: Engine, container: string): Promise<boolean | undefined> {
  const percents = (await gpusOf(engine, container))?.map(({ busyPercent }) => busyPercent);
  if (percents === undefined || percents.includes(null)) return undefined;
  return percents.some((percent) => percent !== 0);
}
