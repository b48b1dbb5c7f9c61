/** What goes on in a pod, as its processes tell. */
import { type Activity, DriverError } from "../driver.ts";
import { type Container, hasGpus } from "./container.ts";
import type { Engine } from "./engine.ts";
import { runIn } from "./exec.ts";
import { SSH_USER } from "./places.ts";
import { BASH } from "./tools.ts";
import { gpusOf } from "./usage.ts";

/** Names of processes of sshd, which names them after who is logged in, each with its parent. */
const LIST_SSHD = `exec 5>/dev/null
for place in /proc/[0-9]*; do
  IFS= read -r -d "" title <"$place/cmdline" || [ -n "$title" ] || continue
  case $title in
    "sshd: ${SSH_USER}"[" @"]* | "sshd-session: ${SSH_USER}"[" @"]*)
      read -r pid _ _ parent _ <"$place/stat" && echo "$pid $parent" ;;
  esac
done 2>&5
exit 0
`;

/** Of a pod that runs; undefined when it cannot be known. */
export async function activityOf(engine: Engine, container: Container): Promise<Activity | undefined> {
  const [sessions, gpuBusy] = await Promise.all([
    sessionsOf(engine, container.Id),
    hasGpus(container) ? gpusBusy(engine, container.Id) : false,
  ]);
  return gpuBusy === undefined ? undefined : { sessions, gpuBusy };
}

/**
 * Of the processes of a connection those below the first are its parts. Asked in the pod: the engine's own list of processes is made by
 * the ps of its machine, or of the image, or of neither.
 */
async function sessionsOf(engine: Engine, container: string): Promise<number> {
  const command = [BASH, "-c", LIST_SSHD];
  const { code, stdout, stderr } = await runIn(engine, container, { command });
  if (code !== 0) throw new DriverError(`the processes of the pod cannot be listed: ${stderr.trim()}`);
  const processes = stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  const pids = new Set(processes.map(([pid]) => pid));
  return processes.filter(([, parent]) => parent !== undefined && !pids.has(parent)).length;
}

/** Undefined when one of them does not tell. */
async function gpusBusy(engine: Engine, container: string): Promise<boolean | undefined> {
  const percents = (await gpusOf(engine, container))?.map(({ busyPercent }) => busyPercent);
  if (percents === undefined || percents.includes(null)) return undefined;
  return percents.some((percent) => percent !== 0);
}
