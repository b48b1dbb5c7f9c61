/** A change of a pod that runs, made in it. */
import { DriverError, type PodUpdate } from "../driver.ts";
import { checkDeadline, checkKeys, checkNotice } from "../local/spec.ts";
import { type Ended, runIn } from "./exec.ts";
import type { InitLine, InitLines } from "./init-line.ts";
import { listenerCalled, telling } from "./script.ts";
import { updateScript } from "./update-script.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** How the script ends that updates a pod. */
const NOT_IN_HOME = 1;
/** Of the last words of a program, in errors. */
const MOST_SAID = 500;

/** Throws what a change says that cannot be one. */
export function checkUpdate({ deadlineS, authorizedKeys, endNotice, idleNotice }: PodUpdate): void {
  if (deadlineS !== undefined) checkDeadline(deadlineS);
  if (authorizedKeys !== undefined) checkKeys(authorizedKeys);
  for (const notice of [endNotice, idleNotice]) if (notice !== undefined) checkNotice(notice);
}

/** By its first process where there is a line to that, else by one of its own. Resolves with why a notice is not in its home, if it is not. */
export async function updatePod(
  pod: string,
  change: PodUpdate,
  { lines, where }: { readonly lines: InitLines; readonly where: Whereabouts },
): Promise<string | undefined> {
  // Files of the user's can hold up who shows a notice, which must not be the first process.
  const hasNotice = (change.endNotice ?? change.idleNotice) !== undefined;
  const told = hasNotice ? undefined : await byInit(lines.take(pod), change);
  const { code, stderr } = told ?? (await byProgram(pod, change, where));
  if (code === 0) return undefined;
  const fault = stderr.trim().slice(-MOST_SAID);
  if (code === NOT_IN_HOME) return fault;
  throw new DriverError(`the pod could not be changed: ${fault}`);
}

async function byInit(line: InitLine | undefined, change: PodUpdate): Promise<Ended | undefined> {
  try {
    return await line?.tell(updateScript(change));
  } finally {
    line?.cut();
  }
}

async function byProgram(pod: string, change: PodUpdate, where: Whereabouts): Promise<Ended> {
  const { host, container } = await where.alive(pod);
  const exec = { command: listenerCalled("update"), input: telling(updateScript(change)) };
  return runIn(host.engine, container.Id, exec);
}
