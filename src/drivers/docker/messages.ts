/** What the engine says while it pulls or builds: a stream of JSON documents, one a line. */
import type { Readable } from "node:stream";
import { EngineUnreachable } from "./engine.ts";

export interface Message {
  readonly status?: string;
  /** Of the layer that the status is about. */
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** Of a build: a piece of what its steps print. */
  readonly stream?: string;
  /** Of a build: what came of it. */
  readonly aux?: { readonly ID?: string };
  readonly error?: string;
}

const LONGEST = 256 * 1024;

/** Each as it comes; what is no message, or too long for one, is passed over. Throws EngineUnreachable when it breaks off. */
export async function* messagesOf(response: Readable): AsyncGenerator<Message> {
  let rest = "";
  try {
    for await (const chunk of response.setEncoding("utf8") as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\n");
      rest = (lines.pop() ?? "").slice(0, LONGEST);
      for (const line of lines) yield* parsed(line);
    }
    yield* parsed(rest);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "") throw error;
    throw new EngineUnreachable("the Docker Engine broke off what it was doing", code, error);
  }
}

function* parsed(line: string): Generator<Message> {
  if (!line.trim().startsWith("{")) return;
  try {
    yield JSON.parse(line) as Message;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
}
