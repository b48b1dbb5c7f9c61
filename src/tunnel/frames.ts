/**
 * Control lines of `gpu-dev.tunnel.v1`: each is one text message. Binary messages are the stream itself.
 * `ack <n>` bytes consumed · `end <total>` the sender's stream ended there · `bye <code> <text>` the session is over.
 */
export type Control =
  | { readonly kind: "ack"; readonly bytes: number }
  | { readonly kind: "end"; readonly total: number }
  | { readonly kind: "bye"; readonly code: string; readonly text: string };

/** Longer lines are refused; a reason fits, and nothing else needs the room. */
const MAX_LINE = 2048;

const COUNT = /^(ack|end) (0|[1-9][0-9]{0,15})$/;
const BYE = /^bye ([a-z][a-z_]{0,39}) (.*)$/;

/** One control line, or undefined for anything that is not exactly one. */
export function parseControl(line: string): Control | undefined {
  if (line.length > MAX_LINE) return undefined;
  const count = COUNT.exec(line);
  if (count) return countLine(count[1] as "ack" | "end", Number(count[2]));
  const [, code, text] = BYE.exec(line) ?? [];
  return code === undefined || text === undefined ? undefined : { kind: "bye", code, text };
}

function countLine(kind: "ack" | "end", n: number): Control | undefined {
  if (!Number.isSafeInteger(n)) return undefined;
  return kind === "ack" ? { kind, bytes: n } : { kind, total: n };
}

export const ackLine = (bytes: number): string => `ack ${bytes}`;
export const endLine = (total: number): string => `end ${total}`;
export const byeLine = (code: string, text: string): string => `bye ${code} ${oneLine(text)}`;

/** Text from elsewhere as one harmless line: no control characters (terminals obey them), at most 1,000 characters. */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029\s]+/gu, " ")
    .trim()
    .slice(0, 1000);
}
