/** Reading the configuration file again while the server runs. */
import type { Logger } from "pino";
import type { ReloadOutcome } from "../../core/core.ts";
import type { ServerOptions } from "./config.ts";
import { readSettings } from "./file.ts";
import type { Change } from "./live.ts";
import { defaultFile } from "./open.ts";

/** Who is told of it. */
export interface Told {
  count(outcome: ReloadOutcome): void;
  /** For the audit trail. */
  record(file: string | undefined, change: Change): void;
}

/** Reads the file again and takes what may change; a file that is wrong is logged and changes nothing. */
export async function reloadConfig(
  options: Pick<ServerOptions, "configFile" | "home" | "live">,
  logger: Logger,
  told: Told,
): Promise<void> {
  const { live, home } = options;
  const file = options.configFile ?? (await defaultFile(home));
  let change: Change | undefined;
  try {
    change = live?.change(file === undefined ? {} : await readSettings(file));
  } catch (err) {
    told.count(err instanceof Error && err.cause !== undefined ? "unreadable" : "invalid");
    logger.error({ err, file }, "the configuration was not read again; what was read before stays");
    return;
  }
  told.count("taken");
  const { changed = [], restart = [] } = change ?? {};
  logger.info({ file, keys: changed }, "the configuration was read again");
  if (restart.length > 0) logger.warn({ keys: restart }, "changes of these keys take effect with a restart");
  if (change && changed.length + restart.length > 0) told.record(file, change);
  try {
    await live?.tell();
  } catch (err) {
    logger.error({ err }, "what was read again did not reach the database yet; it is tried again");
  }
}

/** `work`, one after another: who asks while one goes on gets the next one, together with all who ask until that begins. */
export function inTurn(work: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    next = undefined;
    return work();
  };
  return () => {
    next ??= last = last.then(begin, begin);
    return next;
  };
}
