/** Streams in memory for the command line: each dial takes the next script. */
import type { OpenStream } from "../../../src/cli/context.ts";

/** Events and comments as text; `hang` keeps it open and silent from there on. */
export type Script = readonly (string | "hang" | "cut")[];

export const event = (name: string, data: unknown, id?: number): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

export interface Dialled {
  readonly path: string;
  readonly lastEventId: string | undefined;
}

/** A server of streams and what was dialled; a dial without a script is refused. */
export function scripted(...scripts: Script[]): { open: OpenStream; dialled: Dialled[] } {
  const dialled: Dialled[] = [];
  const open: OpenStream = async (url, { headers, signal }) => {
    const { pathname, search } = new URL(url);
    const script = scripts[dialled.length];
    dialled.push({ path: pathname + search, lastEventId: headers["last-event-id"] });
    if (!script) throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    return { status: 200, contentType: "text/event-stream; charset=utf-8", body: play(script, signal) };
  };
  return { open, dialled };
}

async function* play(script: Script, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  for (const step of script) {
    if (step === "cut") throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
    if (step === "hang") await aborted(signal);
    else yield Buffer.from(step);
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
