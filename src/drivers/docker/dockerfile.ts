/**
 * What a Dockerfile begins with, read before an engine reads it; see docs.docker.com/reference/dockerfile. What engines of several ages
 * read differently is refused: a step that is seen here by nobody could ask anywhere, or have what another user's build made (X-08).
 */
import { fullName, type ImageReference, parseImageReference } from "../../api/image-reference.ts";
import { LaunchRefused } from "../driver.ts";

export interface Dockerfile {
  /** All images that it names, each once. */
  readonly images: readonly ImageReference[];
  /** How many steps `labelled` adds. */
  readonly ownSteps: number;
  /** The same with our step LABEL at the beginning of each stage, and after each LABEL of the user's, so that it is ours that counts. */
  labelled(labels: Readonly<Record<string, string>>): string;
  /** The line, from 1, that is this one of the labelled. */
  lineOf(labelled: number): number;
}

interface Instruction {
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly words: readonly string[];
  /** Of its last line, from 0. */
  readonly line: number;
}

/** What no text has, line ends of their own, and blanks before a step that not all readers take for such. */
const ODD = /(?![\t\n\r])\p{Cc}|\r(?!\n)|^[\t ]*(?! )\p{Z}/mu;

/** Throws LaunchRefused for what is not built here. */
export function readDockerfile(text: string): Dockerfile {
  if (ODD.test(text)) throw refused("the Dockerfile has control characters, or blanks that are no spaces");
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  const instructions = [...instructionsOf(lines)];
  const before = instructions.filter(({ keyword }) => NEEDS_LABEL.includes(keyword)).map(({ line }) => line);
  return {
    images: imagesOf(instructions),
    ownSteps: before.length,
    labelled: (labels) => withLabels(lines, before, labelStep(labels)),
    lineOf: (labelled) => labelled - before.filter((line, i) => line + i + 2 <= labelled).length,
  };
}

/** The steps that our own follows. */
const NEEDS_LABEL = ["FROM", "LABEL"];

/** The text of our step. */
export const labelStep = (labels: Readonly<Record<string, string>>): string =>
  `LABEL ${Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ")}`;

function withLabels(lines: readonly string[], before: readonly number[], step: string): string {
  const labelled = new Set(before);
  return lines.flatMap((line, i) => (labelled.has(i) ? [line, step] : [line])).join("\n");
}

function* instructionsOf(lines: readonly string[]): Generator<Instruction> {
  let whole = "";
  for (const [line, text] of lines.entries()) {
    if (/^[ \t]*#/.test(text)) {
      if (/^[ \t]*#[ \t]*escape[ \t]*=[ \t]*[^\\]/i.test(text))
        throw refused("a Dockerfile with another escape character is not built here");
      continue;
    }
    if (text.trim() === "") continue;
    if (/\\\\[ \t]*$/.test(text)) throw refused("a line of the Dockerfile ends in two backslashes");
    const goesOn = /\\[ \t]*$/.test(text);
    whole += text.replace(/\\[ \t]*$/, "");
    if (goesOn && line < lines.length - 1) continue;
    yield instructionIn(whole, line);
    whole = "";
  }
  if (whole.trim() !== "") yield instructionIn(whole, lines.length - 1);
}

function instructionIn(whole: string, line: number): Instruction {
  const [keyword = "", ...words] = whole.trim().split(/[ \t]+/);
  const first = words.findIndex((word) => !word.startsWith("--"));
  const flags = first < 0 ? words : words.slice(0, first);
  const instruction = { keyword: keyword.toUpperCase(), flags, words: words.slice(flags.length), line };
  const refuse = REFUSED[instruction.keyword];
  if (refuse !== undefined) throw refused(refuse);
  return instruction;
}

const REFUSED: Readonly<Record<string, string>> = {
  ADD: "ADD fetches and unpacks outside of a build's bounds; use COPY, and RUN for the rest",
  ONBUILD: "steps for other builds (ONBUILD) are not run here",
};

/** Of FROM and of COPY --from, but for what stages before are called. */
function imagesOf(instructions: readonly Instruction[]): ImageReference[] {
  const images = new Map<string, ImageReference>();
  const stages = new Set<string>();
  const values = new Map<string, string>();
  let count = 0;
  const see = (name: string): void => {
    if (stages.has(name.toLowerCase()) || name === "scratch") return;
    const image = parseImageReference(name);
    if (!image) throw refused(`${JSON.stringify(name.slice(0, 200))} is no image`);
    images.set(fullName(image), image);
  };
  for (const { keyword, flags, words } of instructions) {
    if (keyword === "ARG" && count === 0) for (const word of words) setDefault(values, word);
    if (keyword === "FROM") {
      see(filledIn(words[0] ?? "", values));
      if (words[1]?.toUpperCase() === "AS" && words[2]) stages.add(words[2].toLowerCase());
      count += 1;
    }
    if (keyword === "COPY")
      for (const name of flags.flatMap(fromFlag))
        if (!(/^\d+$/.test(name) && Number(name) < count)) see(filledIn(name, new Map()));
  }
  return [...images.values()];
}

function fromFlag(flag: string): string[] {
  if (/["'\\]/.test(flag)) throw refused(`${flag.slice(0, 200)}: write it without quotes and backslashes`);
  return flag.startsWith("--from=") ? [flag.slice("--from=".length)] : [];
}

/** Of an ARG before the first FROM; one that is not plain is not known. */
function setDefault(values: Map<string, string>, word: string): void {
  const [, name = "", , value] = /^(\w+)(?:=("?)([\w./:@${}-]*)\2)?$/.exec(word) ?? [];
  // Any of them may be another one by a word that is not understood.
  if (name === "") values.clear();
  else if (value === undefined || /\$/.test(value)) values.delete(name);
  else values.set(name, value);
}

function filledIn(name: string, values: ReadonlyMap<string, string>): string {
  const filled = name.replace(
    /\$(?:(\w+)|\{(\w+)\})/g,
    (all, plain, braced) => values.get(plain ?? braced) ?? all,
  );
  if (/["'\\$]/.test(filled))
    throw refused(`it cannot be told which image ${name.slice(0, 200)} is: write its name out`);
  return filled;
}

const refused = (why: string): LaunchRefused => new LaunchRefused(`the image cannot be built: ${why}`);
