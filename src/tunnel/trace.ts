/**
 * What a tunnel did and when, for whoever looks for the cause of a trouble: GPU_DEV_SSH_DEBUG=FILE. One line for each
 * event, `TIME PID EVENT KEY=VALUE …`; several tunnels may share a file. Tokens, passwords and payload are never in it.
 */
import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from "node:fs";
import { oneLine } from "./frames.ts";

export type Trace = (
  event: string,
  fields?: Readonly<Record<string, string | number | boolean | undefined>>,
) => void;

/** A FIFO without a reader is an error, not a wait. */
const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = constants;
const APPEND = O_WRONLY | O_APPEND | O_CREAT | (O_NONBLOCK ?? 0) | (O_NOCTTY ?? 0);

/** Appends to `file`, which is the user's alone (0600). When it cannot be written, `complain` gets one line, once, and the tunnel goes on. */
export function openTrace(file: string, complain: (line: string) => void): Trace {
  const state: { fd: number | undefined } = { fd: undefined };
  const attempt = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      if (state.fd !== undefined) closeSync(state.fd);
      state.fd = undefined;
      complain(`no trace in ${oneLine(file)} (GPU_DEV_SSH_DEBUG): ${oneLine(String(error))}`);
    }
  };
  attempt(() => {
    state.fd = openSync(file, APPEND, 0o600);
    if (fstatSync(state.fd).isFile()) fchmodSync(state.fd, 0o600);
  });
  return (event, fields = {}) => {
    const { fd } = state;
    if (fd !== undefined) attempt(() => writeSync(fd, line(event, fields)));
  };
}

function line(event: string, fields: Parameters<Trace>[1] & object): string {
  const words = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${word(value)}`],
  );
  return `${[new Date().toISOString(), process.pid, event, ...words].join(" ")}\n`;
}

/** Quoted when it would not be one word otherwise. */
function word(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  const text = oneLine(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
