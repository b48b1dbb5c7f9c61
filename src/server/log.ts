/** Structured logs (JSON lines) on stderr; never a secret (O-04, C-21). */
import { type DestinationStream, type Logger, pino } from "pino";
import { currentOrigin } from "../core/audit/origin.ts";

// No code logs these on purpose; this is the net below.
const SECRET = ["token", "authorization", "private_key", "hostKey", "host_key", "password", "databaseUrl"];

/** A logger that writes to `destination` from `level` on. */
export function createLogger(level: string, destination: DestinationStream): Logger {
  const paths = SECRET.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths, censor: "[secret]" },
      mixin: requestId,
    },
    destination,
  );
}

/** What is logged while a request is served, by whomever, carries its id. */
function requestId(): { request_id?: string } {
  const origin = currentOrigin();
  return origin ? { request_id: origin.requestId } : {};
}

/** Bytes that may wait for a reader of stderr who has stopped; later lines are lost, the server goes on. */
const BACKLOG = 1024 * 1024;

/** stderr. Whoever reads it may stop or go away: neither holds up the server. */
export function logToStderr(): DestinationStream {
  const { stderr } = process;
  stderr.on("error", () => undefined);
  return {
    write(line) {
      if (stderr.writableLength < BACKLOG) stderr.write(line);
    },
  };
}

const LAST_LINES_MS = 1000;

/** Ends the process if a reader of stderr who has stopped still keeps it alive after a while. */
export function exitWithoutReader(code: number): void {
  const give = () => {
    if (process.stderr.writableLength > 0) process.exit(code);
  };
  setTimeout(give, LAST_LINES_MS).unref();
}
