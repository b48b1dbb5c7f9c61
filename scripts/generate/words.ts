/** The command line as data for the generators: every command with all that may follow it. */
import { catalogue, names, topics } from "../../src/cli/catalogue.ts";
import type { Command, Completes, Options } from "../../src/cli/command.ts";
import { GLOBAL_OPTIONS } from "../../src/cli/global.ts";

export interface OptionWords {
  readonly short: string | undefined;
  readonly long: string;
  readonly takesValue: boolean;
  readonly completes: Completes | undefined;
  readonly summary: string;
}

export interface CommandWords {
  readonly path: string;
  /** The path and the aliases, each whole. */
  readonly names: readonly string[];
  readonly summary: string;
  readonly command: Command;
  /** Its own ones, then those that every command has. */
  readonly options: readonly OptionWords[];
  /** What its positional words complete to; after the first, only where the second is of another kind. */
  readonly completes: Completes | undefined;
  readonly second: Completes | undefined;
}

const HELP: OptionWords = {
  short: "-h",
  long: "--help",
  takesValue: false,
  completes: undefined,
  summary: "Print this help",
};

export const globalWords: readonly OptionWords[] = [...GLOBAL_OPTIONS.map(optionWords), HELP];

/** All commands in the catalogue's order. */
export const commandWords = (): Promise<CommandWords[]> =>
  Promise.all(
    catalogue.map(async (entry) => {
      const command = await entry.load();
      return {
        path: entry.path,
        names: names(entry),
        summary: entry.summary,
        command,
        options: [...Object.values(command.options ?? {}).map(optionWords), ...globalWords],
        completes: command.arguments?.[0]?.completes,
        second: command.arguments?.[1]?.completes,
      };
    }),
  );

/** The words that may follow `topic` ("" for none), with their summaries. */
export function nextWords(all: readonly CommandWords[], topic: string): { word: string; summary: string }[] {
  const here = all.flatMap((c) => {
    const words = c.path.split(" ");
    if (topic === "") return words.length === 1 ? [{ word: c.path, summary: c.summary }] : [];
    return words[0] === topic ? [{ word: words[1] ?? "", summary: c.summary }] : [];
  });
  const more = Object.entries(topics).map(([word, { summary }]) => ({ word, summary }));
  return topic === "" ? [...here, ...more] : here;
}

export const topicNames: readonly string[] = Object.keys(topics);

function optionWords(option: Options[string]): OptionWords {
  const [, short, long = "", value] = /^(?:(-\w), )?(--[\w-]+)(?: (<.*>))?$/.exec(option.flags) ?? [];
  return {
    short,
    long,
    takesValue: value !== undefined,
    completes: option.completes,
    summary: option.summary,
  };
}
