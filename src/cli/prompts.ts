/** Questions on a terminal (@inquirer/prompts), asked on stderr so that stdout carries data only. */
import * as inquirer from "@inquirer/prompts";
import { Declined } from "./errors.ts";

/** Yes or no; no is the default. */
export const confirm = (question: string): Promise<boolean> =>
  asked(inquirer.confirm({ message: question, default: false }, { output: process.stderr }));

/** A text that is not shown. */
export const secret = (question: string): Promise<string> =>
  asked(inquirer.password({ message: question }, { output: process.stderr }));

/** One of `choices`. */
export const select = <T extends string>(
  question: string,
  choices: readonly { name: string; value: T }[],
): Promise<T> =>
  asked(inquirer.select<T>({ message: question, choices: [...choices] }, { output: process.stderr }));

/** C-17: Ctrl-C at a prompt is a no. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && error.name === "ExitPromptError") throw new Declined();
    throw error;
  }
}
