/**
 * Questions as plain lines, for a terminal on which no cursor moves (TERM=dumb: an editor's shell, a serial line): a list is numbered, and
 * the answer is a line. Asked on stderr, so that stdout carries data only.
 */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import type { Choice, Prompts } from "./context.ts";
import { Declined, UsageError } from "./errors.ts";

const write = (text: string): void => void process.stderr.write(text);

export const confirm: Prompts["confirm"] = async (question) => {
  for (;;) {
    const answer = (await ask(`${question} (y/N) `)).toLowerCase();
    if (answer === "" || "no".startsWith(answer)) return false;
    if ("yes".startsWith(answer)) return true;
    write("Answer y or n.\n");
  }
};

export const secret: Prompts["secret"] = (question) => ask(`${question} `, true);

export const text: Prompts["text"] = async (question, read, suggestion) => {
  for (;;) {
    const answer = await ask(suggestion === undefined ? `${question} ` : `${question} (${suggestion}) `);
    try {
      return read(answer === "" && suggestion !== undefined ? suggestion : answer);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      write(`${error.message}\n`);
    }
  }
};

export const select: Prompts["select"] = async (question, choices, { head, start } = {}) => {
  const places = String(choices.length).length;
  write(`${question}\n`);
  if (head !== undefined) write(`${" ".repeat(places + 2)}${head}\n`);
  for (const [i, { name, disabled }] of choices.entries())
    write(`${String(i + 1).padStart(places)}) ${name}${disabled === undefined ? "" : ` (${disabled})`}\n`);
  const usual = choices.findIndex(({ value }) => value === start) + 1;
  for (;;) {
    const answer = await ask(usual === 0 ? "Number: " : `Number (${usual}): `);
    const chosen = choiceOf(choices, answer === "" ? String(usual) : answer);
    if (typeof chosen !== "string") return chosen.value;
    write(`${chosen}\n`);
  }
};

/** The choice of that number, or why there is none. */
function choiceOf<T extends string>(choices: readonly Choice<T>[], answer: string): Choice<T> | string {
  const choice = /^\d{1,4}$/.test(answer) ? choices[Number(answer) - 1] : undefined;
  if (!choice) return `Give a number from 1 to ${choices.length}.`;
  return choice.disabled ?? choice;
}

/** One line. C-17: Ctrl-C and the end of the input are a no. */
function ask(question: string, hidden = false): Promise<string> {
  write(question);
  // Only with `terminal` the terminal itself echoes nothing; what readline would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({
    input: process.stdin,
    terminal: hidden,
    ...(hidden ? { output: nowhere } : {}),
  });
  return new Promise<string>((resolve, reject) => {
    const decline = (): void => {
      write("\n");
      reject(new Declined());
      reader.close();
    };
    process.once("SIGINT", decline);
    reader
      .once("SIGINT", decline)
      .once("line", (line) => {
        if (hidden) write("\n");
        resolve(line.trim());
        reader.close();
      })
      .once("close", () => {
        process.off("SIGINT", decline);
        reject(new Declined());
      });
  });
}
