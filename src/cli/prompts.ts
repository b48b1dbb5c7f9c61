/** Questions on a terminal (@inquirer/prompts), asked on stderr so that stdout carries data only. */
import { styleText } from "node:util";
import * as inquirer from "@inquirer/prompts";
import type { Prompts } from "./context.ts";
import { Declined, UsageError } from "./errors.ts";

const OUTPUT = { output: process.stderr };
/** Lines that a list leaves to the question, its head and what the keys do. */
const AROUND_A_LIST = 6;

/** Yes or no; no is the default. */
export const confirm: Prompts["confirm"] = (question) =>
  asked(inquirer.confirm({ message: question, default: false }, OUTPUT));

/** A text that is not shown. */
export const secret: Prompts["secret"] = (question) =>
  asked(inquirer.password({ message: question }, OUTPUT));

/** A text, asked for until `read` takes it. */
export const text: Prompts["text"] = async (question, read, suggestion) => {
  const validate = (given: string): string | true => faultOf(() => read(given)) ?? true;
  const shown = { message: question, validate };
  return read(
    await asked(inquirer.input(suggestion === undefined ? shown : { ...shown, default: suggestion }, OUTPUT)),
  );
};

/** One of `choices`; more of them than the terminal is high scroll. */
export const select: Prompts["select"] = (question, choices, { head, start } = {}) =>
  asked(
    inquirer.select(
      {
        message: head === undefined ? question : `${question}\n  ${head}`,
        choices: [...choices],
        ...(start === undefined ? {} : { default: start }),
        loop: false,
        pageSize: Math.max(3, (process.stderr.rows ?? 24) - AROUND_A_LIST),
        theme: { style: { message: (words: string, status: string) => heading(words, status, question) } },
      },
      OUTPUT,
    ),
  );

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
