/**
 * What a pod's init and sshd said. While the pod is there the watchdog of its init writes it down (init-script.ts) as lines of
 * "NUMBER EPOCH TEXT" in control/said, and before that in control/said.1. Its end is kept in `<dataDir>/logs/<name>`.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { LogLine } from "../driver.ts";
import { readPort } from "./control.ts";
import { control, readIfThere, unlessMissing, writeWhole } from "./pod-dir.ts";

/** Lines in one of the two files. */
export const LINES_PER_FILE = 500;
const KEPT_LINES = 200;
const LONGEST = 1000;
/** Pods that are gone of which it is kept: the newest. */
const KEPT_PODS = 1000;

const placeOf = (dataDir: string): string => join(dataDir, "logs");

/** Those with a number above `after`, oldest first; of a pod that is gone what was kept of it, none of one that nobody knows. */
export async function readSaid(dataDir: string, dir: string, after = 0): Promise<LogLine[]> {
  const noted = await readNoted(dir);
  const text = noted || (await readIfThere(join(placeOf(dataDir), basename(dir))));
  if (text !== undefined) return parse(text, dir).filter(({ number }) => number > after);
  // A pod that did not come as far as its watchdog.
  return (await readPort(dir)) === undefined ? unnoted(dir, after) : [];
}

/** Before the pod's directory goes: the last of it stays. Resolves with the reason when it does not, which never keeps a pod from going. */
export async function keepSaid(dataDir: string, dir: string): Promise<string | undefined> {
  try {
    const noted = parse(await readNoted(dir), dir);
    const lines = [...noted, ...(await unnoted(dir, noted.at(-1)?.number ?? 0))].slice(-KEPT_LINES);
    if (lines.length === 0) return undefined;
    await mkdir(placeOf(dataDir), { recursive: true, mode: 0o700 });
    const text = lines.map(({ number, at, text }) => `${number} ${Date.parse(at) / 1000} ${text}\n`).join("");
    await writeWhole(join(placeOf(dataDir), basename(dir)), text);
    await forgetOldest(placeOf(dataDir));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const readNoted = async (dir: string): Promise<string> =>
  [await readIfThere(control(dir, "said.1")), await readIfThere(control(dir, "said"))].join("");

/** sshd ends its lines as a terminal in raw mode wants it. */
const END = /\r?\n/;

/** Paths of the server are nothing for the pod's users. */
function parse(text: string, dir: string): LogLine[] {
  return text.split(END).flatMap((line) => {
    const [, number, epoch, said] = /^(\d{1,15}) (\d{1,11}) (.*)$/.exec(line) ?? [];
    if (said === undefined) return [];
    return { number: Number(number), at: timeOf(Number(epoch) * 1000), text: shown(said, dir) };
  });
}

const timeOf = (ms: number): string => new Date(Math.floor(ms / 1000) * 1000).toISOString();
const shown = (text: string, dir: string): string => text.replaceAll(`${dir}/`, "").slice(0, LONGEST);

/** What the watchdog has not come to yet, which looks once a second: at the end of a pod the lines that tell most. Their time is that of the last. */
async function unnoted(dir: string, after: number): Promise<LogLine[]> {
  const cleared = Number((await readIfThere(control(dir, "cleared"))) ?? 0);
  const file = control(dir, "log");
  const [text, stats] = [await readIfThere(file), await unlessMissing(stat(file))];
  const at = timeOf(stats?.mtimeMs ?? 0);
  const lines = (text ?? "").split(END);
  if (lines.at(-1) === "") lines.pop();
  return lines
    .map((line, i) => ({ number: cleared + i + 1, at, text: shown(line, dir) }))
    .filter(({ number }) => number > after)
    .slice(-LINES_PER_FILE);
}

async function forgetOldest(place: string): Promise<void> {
  const names = await readdir(place);
  if (names.length <= KEPT_PODS) return;
  const aged = await Promise.all(
    names.map(async (name) => ({ name, ms: (await unlessMissing(stat(join(place, name))))?.mtimeMs ?? 0 })),
  );
  const old = aged.toSorted((a, b) => b.ms - a.ms).slice(KEPT_PODS);
  await Promise.all(old.map(({ name }) => rm(join(place, name), { force: true })));
}
