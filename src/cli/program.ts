/** commander, set up from the catalogue: it parses, prints help and suggests what was meant. */
import { Argument, Command as Commander, Option as CommanderOption } from "commander";
import { VERSION } from "../api/version.ts";
import type { Entry } from "./catalogue/entry.ts";
import { topics } from "./catalogue.ts";
import type { Command, Options } from "./command.ts";
import type { Io } from "./context.ts";
import { UsageError } from "./errors.ts";
import { GLOBAL_OPTIONS } from "./global.ts";

const FIRST_STEPS = `
First steps:
  gpu-dev login URL      which server; none is needed for \`gpu-dev server\` on this machine
  gpu-dev avail          what is free
  gpu-dev reserve        asks for what it needs, and waits until ssh works
  gpu-dev connect        a shell in it`;

/** The parser of `entries`, without the arguments and options of each: help and suggestions need only their names. */
export function createProgram(io: Io, entries: readonly Entry[]): Commander {
  const program = setUp(new Commander("gpu-dev"), io)
    .description("Reserve a GPU, ssh into it, keep the disk.")
    .usage("<command> [options]")
    .version(VERSION, "-V, --version", "Print the version")
    .addHelpText("after", FIRST_STEPS);
  for (const option of GLOBAL_OPTIONS) program.addOption(toCommander(option));
  for (const entry of entries) addEntry(program, entry);
  return program;
}

/** Columns of what is no terminal. */
const DEFAULT_WIDTH = 100;
/** Columns beside the names of options in which their meaning is wrapped; with fewer the terminal breaks it, in the middle of words. */
const NARROWEST = 20;

function setUp(parser: Commander, io: Io): Commander {
  return parser
    .exitOverride()
    .helpCommand(false)
    .helpOption("-h, --help", "Print this help")
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: NARROWEST })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      // Errors are printed once, by the caller.
      writeErr: () => undefined,
      getOutHelpWidth: () => io.stdout.columns ?? DEFAULT_WIDTH,
      getOutHasColors: () => false,
    });
}

function subcommand(parent: Commander, name: string, summary: string): Commander {
  const parser = parent.command(name).copyInheritedSettings(parent).helpCommand(false);
  return parser.description(`${summary}.`).summary(summary);
}

function addEntry(program: Commander, entry: Entry): void {
  const [first = "", second] = entry.path.split(" ");
  const parent = second === undefined ? program : topicParser(program, first);
  const parser = subcommand(parent, second ?? first, entry.summary).aliases(entry.aliases ?? []);
  if (second === undefined) parser.helpGroup(entry.group);
}

/** Made with its first command, so that help keeps the order of the catalogue. */
function topicParser(program: Commander, name: string): Commander {
  const known = program.commands.find((child) => child.name() === name);
  if (known) return known;
  const { summary, group } = topics[name] ?? { summary: name, group: "Commands:" };
  return subcommand(program, name, summary).helpGroup(group).usage("<command> [options]");
}

export function findParser(program: Commander, path: string): Commander {
  return path.split(" ").reduce((parser, word) => {
    const found = parser.commands.find((child) => child.name() === word);
    if (!found) throw new Error(`the catalogue has no ${path}`);
    return found;
  }, program);
}

/** Adds the arguments, options and examples of a loaded command to its parser. */
export function fill(parser: Commander, command: Command): Commander {
  for (const given of command.arguments ?? []) {
    const name = given.variadic ? `${given.name}...` : given.name;
    parser.addArgument(new Argument(given.required ? `<${name}>` : `[${name}]`, given.summary));
  }
  for (const option of Object.values(command.options ?? {})) parser.addOption(toCommander(option));
  const { details } = command;
  if (details !== undefined) parser.addHelpText("after", () => `\n${wrapped(parser, details)}`);
  const examples = command.examples.map((example) => `  ${example.line}\n      ${example.meaning}`);
  return parser.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
}

/** Between words, at the width of the rest of the help. */
const wrapped = (parser: Commander, text: string): string =>
  parser.createHelp().boxWrap(text, parser.configureOutput().getOutHelpWidth?.() ?? DEFAULT_WIDTH);

function toCommander(option: Options[string]): CommanderOption {
  const made = new CommanderOption(option.flags, option.summary);
  const { parse: read } = option;
  if (!read) return made;
  return made.argParser((text: string, earlier: unknown) => {
    try {
      return read(text, earlier);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`${made.long}: ${error.message}`, error.hint, error);
    }
  });
}
