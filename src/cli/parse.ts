/** From words to a call: parsing is not running, so that each can be tested alone. */
import { type Command as Commander, CommanderError, Option as CommanderOption } from "commander";
import { type CatalogueEntry, type CommandPath, catalogue, names } from "./catalogue.ts";
import type { Argument, Command, Options, Values } from "./command.ts";
import type { GlobalOptions, Io } from "./context.ts";
import { UsageError } from "./errors.ts";
import { asksForFields, guessGlobal, TAKES_A_WORD } from "./global.ts";
import { createProgram, fill, findParser } from "./program.ts";

/** A command line that was understood: what to run with what. */
export interface Call {
  readonly path: CommandPath;
  readonly command: Command;
  readonly args: readonly string[];
  readonly options: Values<Options>;
  readonly global: GlobalOptions;
}

/** Understands `argv`; undefined when help or the version was asked for and printed. Throws UsageError. */
export async function parse(argv: readonly string[], io: Io): Promise<Call | undefined> {
  const line = withHelp(argv);
  const entry = entryOf(line);
  if (entry && asksForFields(line)) return await askForFields(entry, line);
  const program = createProgram(io, entry ? [entry] : catalogue);
  const parser = entry ? findParser(program, entry.path) : undefined;
  const command = await entry?.load();
  if (!entry || !parser || !command) {
    await understand(program, line, entry);
    return undefined;
  }
  let called = false;
  fill(parser, command).action(() => {
    called = true;
  });
  await understand(program, line, entry);
  if (!called) return undefined;
  const global = program.opts<GlobalOptions>();
  return {
    path: entry.path,
    command,
    args: argsOf(line, parser.args, command.arguments),
    options: values(parser, command.options ?? {}),
    global: { ...global, json: global.json || global.fields !== undefined },
  };
}

/** Where nothing stands before `--`, the argument that belongs there was left out: it is "". */
function argsOf(
  line: readonly string[],
  words: readonly string[],
  known: readonly Argument[] = [],
): readonly string[] {
  const behind = line.includes("--") ? line.length - line.indexOf("--") - 1 : 0;
  const leftOut = known.at(-1)?.behindDashes === true && behind > 0 && behind === words.length;
  return leftOut ? ["", ...words] : words;
}

async function askForFields({ path }: CatalogueEntry, line: readonly string[]): Promise<Call> {
  const { listing } = await import("./fields.ts");
  const global = { ...guessGlobal(line), json: line.includes("--json") };
  return { path, command: listing(path), args: [], options: {}, global };
}

/** `help list` is `list --help`; without a command, help is the answer unless a document was asked for. */
function withHelp(argv: readonly string[]): string[] {
  if (argv[0] === "help") return [...argv.slice(1), "--help"];
  const words = leadingWords(argv);
  const isTopic = words.length === 1 && catalogue.some((entry) => entry.path.startsWith(`${words[0]} `));
  if (words.length > 0 && !isTopic) return [...argv];
  if (argv.includes("--json"))
    throw new UsageError("A command is missing", "`gpu-dev --help` lists the commands.");
  return [...argv, "--help"];
}

/** The command that the leading words name; options may stand before it. */
function entryOf(line: readonly string[]): CatalogueEntry | undefined {
  const words = leadingWords(line);
  const called = [words.slice(0, 2).join(" "), words[0] ?? ""];
  return catalogue.find((entry) => names(entry).some((name) => called.includes(name)));
}

function leadingWords(line: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < line.length && line[i] !== "--"; i++) {
    if (TAKES_A_WORD.includes(line[i] ?? "")) i++;
    else if (!line[i]?.startsWith("-")) words.push(line[i] ?? "");
  }
  return words;
}

async function understand(
  program: Commander,
  line: readonly string[],
  entry: CatalogueEntry | undefined,
): Promise<void> {
  try {
    await program.parseAsync(line, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw new UsageError(...messageOf(error, entry));
  }
}

/** The values under the names that the command gave its options. */
function values(parser: Commander, options: Options): Values<Options> {
  const raw: Record<string, unknown> = parser.opts();
  const named = Object.entries(options).map(([name, { flags }]) => {
    const { negate, attributeName } = describeFlags(flags);
    return [name, negate ? raw[attributeName] === false : raw[attributeName]];
  });
  return Object.fromEntries(named);
}

function describeFlags(flags: string): { negate: boolean; attributeName: string } {
  const option = new CommanderOption(flags);
  return { negate: option.negate, attributeName: option.attributeName() };
}

/** commander's words, without its "error:", with its suggestion as the hint. */
function messageOf(error: CommanderError, entry: CatalogueEntry | undefined): [string, string] {
  const [first = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  const help = `\`gpu-dev ${entry ? `${entry.path} ` : ""}--help\` shows what it takes.`;
  return [`${first.charAt(0).toUpperCase()}${first.slice(1)}`, suggestion.replace(/^\(|\)$/g, "") || help];
}
