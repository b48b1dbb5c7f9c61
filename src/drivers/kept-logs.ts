/** The end of what pods said, kept when they are gone: `<dataDir>/logs/<pod>`, lines of "NUMBER EPOCH TEXT". */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { LogLine } from "./driver.ts";
import { readIfThere, unlessMissing, writeWhole } from "./local/pod-dir.ts";

const KEPT_LINES = 200;
/** Pods of which it is kept: the newest. */
const KEPT_PODS = 1000;
const LONGEST = 1000;
/** sshd ends its lines as a terminal in raw mode wants it. */
export const END = /\r?\n/;

const placeOf = (dataDir: string): string => join(dataDir, "logs");

/** Before the pod goes: the last of it stays. Resolves with the reason when it does not, which never keeps a pod from going. */
export async function keepLines(
  dataDir: string,
  pod: string,
  asking: () => Promise<readonly LogLine[]>,
): Promise<string | undefined> {
  try {
    const lines = (await asking()).slice(-KEPT_LINES);
    if (lines.length === 0) return undefined;
    const place = placeOf(dataDir);
    await mkdir(place, { recursive: true, mode: 0o700 });
    const text = lines.map(({ number, at, text }) => `${number} ${Date.parse(at) / 1000} ${text}\n`).join("");
    await writeWhole(join(place, pod), text);
    await forgetOldest(place);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What was kept of a pod; undefined when nothing was. */
export const keptText = (dataDir: string, pod: string): Promise<string | undefined> =>
  readIfThere(join(placeOf(dataDir), pod));

/** The lines of such a text. */
export const parseLines = (text: string): LogLine[] =>
  text.split(END).flatMap((line) => {
    const [, number, epoch, said] = /^(\d{1,15}) (\d{1,11}) (.*)$/.exec(line) ?? [];
    if (said === undefined) return [];
    return { number: Number(number), at: timeOf(Number(epoch) * 1000), text: said.slice(0, LONGEST) };
  });

/** To the second. */
export const timeOf = (ms: number): string => new Date(Math.floor(ms / 1000) * 1000).toISOString();

async function forgetOldest(place: string): Promise<void> {
  const names = await readdir(place);
  if (names.length <= KEPT_PODS) return;
  const aged = await Promise.all(
    names.map(async (name) => ({ name, ms: (await unlessMissing(stat(join(place, name))))?.mtimeMs ?? 0 })),
  );
  const old = aged.toSorted((a, b) => b.ms - a.ms).slice(KEPT_PODS);
  await Promise.all(old.map(({ name }) => rm(join(place, name), { force: true })));
}
