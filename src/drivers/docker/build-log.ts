/** What a build printed, by the pod that it was for: `<dataDir>/logs/<pod>.build`, lines as in kept-logs.ts. It goes before what the pod says. */
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Recent } from "../../api/recent.ts";
import type { LogLine } from "../driver.ts";
import { keptText, parseLines } from "../kept-logs.ts";
import { Turns } from "../local/turns.ts";

const MOST_LINES = 5000;

const nameOf = (pod: string): string => `${pod}.build`;

export class BuildLog {
  readonly #dataDir: string;
  readonly #turns = new Turns();
  readonly #noted = new Recent<{ readonly count: number; readonly last: string }>();

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Adds a line, up to MOST_LINES of one build. What cannot be written is dropped: a full disk keeps no pod from being made. */
  note(pod: string, line: string): void {
    const { count = 0, last } = this.#noted.get(pod) ?? {};
    // A build that is tried again, since its registry is away, begins with the same line each time.
    if (count >= MOST_LINES || line === last) return;
    const number = count + 1;
    this.#noted.set(pod, { count: number, last: line });
    const text = number === MOST_LINES ? "more was said, and is not kept" : line;
    const said = `${number} ${Math.floor(Date.now() / 1000)} ${text.replace(/[\r\n]+/g, " ")}\n`;
    this.#turns.take(pod, () => this.#append(pod, said)).catch(() => undefined);
  }

  /** Resolves when all that was noted is written, or cannot be. */
  rest(): Promise<void> {
    return this.#turns.rest();
  }

  async #append(pod: string, said: string): Promise<void> {
    const place = join(this.#dataDir, "logs");
    await mkdir(place, { recursive: true, mode: 0o700 });
    await appendFile(join(place, nameOf(pod)), said, { mode: 0o600 });
  }

  /** Oldest first; none of a pod for which nothing was built. */
  async read(pod: string): Promise<LogLine[]> {
    const lines = parseLines((await keptText(this.#dataDir, nameOf(pod))) ?? "");
    return lines.map((line, i) => ({ ...line, number: i + 1 }));
  }
}
