/**
 * What a pod's init and sshd said. While the pod is there the watchdog of its init writes it down (init-script.ts) as lines of
 * "NUMBER EPOCH TEXT" in control/said, and before that in control/said.1. Its end is kept (kept-logs.ts).
 */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { LogLine } from "../driver.ts";
import { END, keepLines, keptText, parseLines, timeOf } from "../kept-logs.ts";
import { readPort } from "./control.ts";
import { control, readIfThere, unlessMissing } from "./pod-dir.ts";

/** Lines in one of the two files. */
export const LINES_PER_FILE = 500;
const LONGEST = 1000;

/** Those with a number above `after`, oldest first; of a pod that is gone what was kept of it, none of one that nobody knows. */
export async function readSaid(dataDir: string, dir: string, after = 0): Promise<LogLine[]> {
  const noted = await readNoted(dir);
  const text = noted || (await keptText(dataDir, basename(dir)));
  if (text !== undefined) return parse(text, dir).filter(({ number }) => number > after);
  // A pod that did not come as far as its watchdog.
  return (await readPort(dir)) === undefined ? unnoted(dir, after) : [];
}

/** Before the pod's directory goes: the last of it stays. Resolves with the reason when it does not, which never keeps a pod from going. */
export const keepSaid = (dataDir: string, dir: string): Promise<string | undefined> =>
  keepLines(dataDir, basename(dir), async () => {
    const noted = parse(await readNoted(dir), dir);
    return [...noted, ...(await unnoted(dir, noted.at(-1)?.number ?? 0))];
  });

const readNoted = async (dir: string): Promise<string> =>
  [await readIfThere(control(dir, "said.1")), await readIfThere(control(dir, "said"))].join("");

/** Paths of the server are nothing for the pod's users. */
const parse = (text: string, dir: string): LogLine[] => parseLines(text.replaceAll(`${dir}/`, ""));

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
