/** What driver and pod tell each other by files; see pod-dir.ts. */
import { rm, writeFile } from "node:fs/promises";
import { DriverError } from "../driver.ts";
import { control, isMissing, readIfThere } from "./pod-dir.ts";
import { isScriptOf } from "./process-table.ts";

/** "unclaimed": no init ever ran there, the launch was interrupted. "ended": one did, and is gone. */
export type Claim = "unclaimed" | "alive" | "ended";

export async function readClaim(dir: string): Promise<Claim> {
  const claim = await readIfThere(control(dir, "claim"));
  if (claim === undefined) return "unclaimed";
  const pid = Number(claim);
  return Number.isSafeInteger(pid) && pid > 0 && (await isScriptOf(pid, dir)) ? "alive" : "ended";
}

/** Throws DriverError for a pod that does not run. */
export async function checkRuns(dir: string): Promise<void> {
  if ((await readClaim(dir)) !== "alive") throw new DriverError("the pod does not run");
}

/** From now on no init can start in `dir`, also none that is already on its way. */
export async function closeClaim(dir: string): Promise<void> {
  try {
    await takeClaim(dir);
  } catch (error) {
    if (!isFull(error)) throw error;
    // Nothing more starts without this file, and it makes room for the other.
    await rm(control(dir, "start"), { force: true });
    await takeClaim(dir);
  }
}

async function takeClaim(dir: string): Promise<void> {
  try {
    await writeFile(control(dir, "claim"), "ended\n", { flag: "wx", mode: 0o600 });
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === "EEXIST";
    if (!taken && !isMissing(error)) throw error;
  }
}

/**
 * A launch that did not come about is taken away: from now on nothing in `dir` counts as a pod, also when this process is killed in
 * the middle of it, with an init there that it had killed already.
 */
export async function abandon(dir: string): Promise<void> {
  try {
    await writeFile(control(dir, "abandoned"), "", { mode: 0o600 });
  } catch (error) {
    // Half made, or on a full disk: without the word it has to do.
    if (!isMissing(error) && !isFull(error)) throw error;
  }
}

export const isAbandoned = async (dir: string): Promise<boolean> =>
  (await readIfThere(control(dir, "abandoned"))) !== undefined;

const isFull = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");

/** Where the pod's sshd listens; undefined until it does. */
export async function readPort(dir: string): Promise<number | undefined> {
  const text = await readIfThere(control(dir, "port"));
  return text === undefined ? undefined : Number(text);
}

/** Why the pod ended, in words; undefined when its init did not get to say it. */
export async function readDeath(dir: string): Promise<string | undefined> {
  return (await readIfThere(control(dir, "died")))?.trim() || undefined;
}

export async function lastLogLine(dir: string): Promise<string> {
  const log = (await readIfThere(control(dir, "log"))) ?? "";
  return log.trimEnd().split("\n").at(-1) || "it said nothing";
}

/** Seconds from now as the watchdog reads them. */
export const deadlineText = (seconds: number): string => `${Math.ceil(Date.now() / 1000) + seconds}\n`;
