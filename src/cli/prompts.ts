/** Questions on a terminal (@inquirer/prompts), asked on stderr so that stdout carries data only. */
import { Writable } from "node:stream";
import { styleText } from "node:util";
import * as inquirer from "@inquirer/prompts";
import type { PromptStyle, Prompts } from "./context.ts";
import { Declined, UsageError } from "./errors.ts";

/** Lines that a list leaves to the question, its head and what the keys do. */
const AROUND_A_LIST = 6;

/** Those of a terminal whose cursor moves. */
export function createPrompts({ colour }: Pick<PromptStyle, "colour">): Prompts {
  const context = { output: colour ? process.stderr : withoutColour(process.stderr) };
  return {
    /** Yes or no; no is the default. */
    confirm: (question) => asked(inquirer.confirm({ message: question, default: false }, context)),
    secret: (question) => asked(inquirer.password({ message: question }, context)),
    async text(question, read, suggestion) {
      const validate = (given: string): string | true => faultOf(() => read(given)) ?? true;
      const shown = { message: question, validate };
      const wanted = suggestion === undefined ? shown : { ...shown, default: suggestion };
      return read(await asked(inquirer.input(wanted, context)));
    },
    /** More choices than the terminal is high scroll. */
    select: (question, choices, { head, start } = {}) =>
      asked(
        inquirer.select(
          {
            message: head === undefined ? question : `${question}\n  ${head}`,
            choices: [...choices],
            ...(start === undefined ? {} : { default: start }),
            loop: false,
            pageSize: Math.max(3, (process.stderr.rows ?? 24) - AROUND_A_LIST),
            theme: {
              style: { message: (words: string, status: string) => heading(words, status, question) },
            },
          },
          context,
        ),
      ),
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences.
const COLOUR = /\u001b\[[0-9;]*m/g;

/** The library asks the environment for colours and nobody else. */
function withoutColour(terminal: NodeJS.WriteStream): NodeJS.WritableStream {
  const plain = new Writable({
    decodeStrings: false,
    write: (text: string | Buffer, _encoding, done) => {
      terminal.write(String(text).replace(COLOUR, ""));
      done();
    },
  });
  return Object.defineProperty(plain, "columns", { get: () => terminal.columns });
}

/** The head of a table goes with the table. */
const heading = (words: string, status: string, question: string): string =>
  styleText("bold", status === "done" ? question : words);

function faultOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

/** C-17: Ctrl-C at a prompt is a no. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && error.name === "ExitPromptError") throw new Declined();
    throw error;
  }
}
