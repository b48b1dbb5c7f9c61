/** What a build prints, by its steps. */
import { stripVTControlCharacters } from "node:util";
import { LaunchRefused } from "../driver.ts";
import type { Message } from "./messages.ts";
import type { Preparing } from "./preparing.ts";

/** Of a line that is kept. */
const LONGEST = 1000;
/** Lines of a step that failed. */
const TOLD = 5;
/** The engine names a step in a message of its own. What runs in a step may print the same, which only changes how its own build is told. */
const STEP = /^Step \d+\/\d+ : (.*)/;

export class BuildSteps {
  /** The images that its steps made or found again, as the engine shortens their ids. */
  readonly images = new Set<string>();
  readonly #preparing: Preparing;
  readonly #label: string;
  readonly #ownSteps: number;
  #labels = 0;
  #rest = "";
  #step = "";
  #last: string[] = [];
  #begins = false;
  #needsLabel = false;

  /** `label` is the step that the Dockerfile was given `ownSteps` times; it is not told of, nor counted. */
  constructor(preparing: Preparing, label: string, ownSteps: number) {
    this.#preparing = preparing;
    this.#label = label;
    this.#ownSteps = ownSteps;
  }

  /** The container that a step says to run in, if this is where it does. Throws LaunchRefused for a step that nobody saw in the Dockerfile. */
  add({ stream, status, id }: Message): string | undefined {
    if (stream === undefined && id !== undefined) return undefined;
    const step = STEP.exec(stream ?? "")?.[1];
    if (step !== undefined) {
      this.#end();
      this.#check(step.trim());
    }
    const lines = (this.#rest + (stream ?? `${status ?? ""}\n`)).split(/\r?\n/);
    this.#rest = (lines.pop() ?? "").slice(-4096);
    for (const line of lines) this.#line(line);
    const made = /^ ---> ([0-9a-f]{12})\n?$/.exec(stream ?? "")?.[1];
    if (made !== undefined && !this.#begins) this.images.add(made);
    return /^ ---> Running in ([0-9a-f]{12,64})\n?$/.exec(stream ?? "")?.[1];
  }

  /** By our label nothing that others made is in a step of this one, and its containers are known for what they are. */
  #check(step: string): void {
    const isOwn = step === this.#label;
    if (this.#needsLabel && !isOwn)
      throw new LaunchRefused(
        `the image cannot be built: the engine found a step that is not to be seen in the Dockerfile${this.where}`,
      );
    this.#begins = /^FROM\s/i.test(step);
    this.#needsLabel = this.#begins || (!isOwn && /^LABEL\s/i.test(step));
  }

  #end(): void {
    const rest = this.#rest;
    this.#rest = "";
    this.#line(rest);
  }

  #line(printed: string): void {
    if (printed.trim() === "") return;
    if (printed.endsWith(` : ${this.#label}`)) {
      this.#labels += 1;
      return;
    }
    // An engine colours what a step says on stderr.
    const line = this.#counted(stripVTControlCharacters(printed));
    this.#preparing.note(line.slice(0, LONGEST));
    if (STEP.test(line)) {
      this.#step = line.slice(0, 120);
      this.#last = [];
      this.#preparing.say(`building the image: ${line.slice(0, 80)}`);
    } else if (!/^ ---> |^Removing intermediate container /.test(line))
      this.#last = [...this.#last, line.slice(0, 200)].slice(-TOLD);
  }

  #counted(line: string): string {
    const own = (_: string, step: string, all: string): string =>
      `Step ${Number(step) - this.#labels}/${Number(all) - this.#ownSteps} : `;
    return line.replace(/^Step (\d+)\/(\d+) : /, own);
  }

  get where(): string {
    return this.#step === "" ? "" : `, at ${this.#step}`;
  }

  get told(): string {
    return this.#last.length === 0 ? "" : `\n${this.#last.join("\n")}`;
  }
}
