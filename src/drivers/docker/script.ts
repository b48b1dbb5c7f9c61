/**
 * Scripts for the tools' bash in a pod, which it is told by its input once it runs: so no key is in what the engine shows of a container
 * or of a command, and no file has to be brought there first.
 */
import { EXIT } from "./death.ts";
import { BASH } from "./tools.ts";

/** Who began it tells it at once, or is gone. */
const PATIENCE_S = 20;

/** Who tells it is still heard here when that is done. */
export const TELLER = 7;

/** The number of bytes in a line, and the bytes: a part of them is nothing. */
const LISTEN = `IFS= read -r -t ${PATIENCE_S} size && LC_ALL=C && IFS= read -r -t ${PATIENCE_S} -N "$size" script || exit ${EXIT.untold}
exec ${TELLER}<&0 </dev/null
eval "$script"`;

/** The command of a process that does what it is told, under that name. */
export const listenerCalled = (name: string): string[] => [BASH, "-c", LISTEN, name];

/** What it is told: all of it is done, or nothing. */
export function telling(script: string): Buffer {
  const bytes = Buffer.from(script);
  return Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes]);
}

/** As a shell reads it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
