import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { ErrorCode, Problem } from "../api/errors.ts";

/** Answers an upgrade with a problem document (RFC 9457) in plain HTTP, and closes the connection. */
function refuse(socket: Duplex, problem: Problem, requestId: string): void {
  const body = JSON.stringify(problem.document(requestId));
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    "Connection: close",
    "Cache-Control: no-store",
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(problem.status === 401 ? ["WWW-Authenticate: Bearer"] : []),
    ...(problem.retryAfter === undefined ? [] : [`Retry-After: ${Math.ceil(problem.retryAfter)}`]),
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** Who is told of what was refused. */
export interface Refusals {
  log(fields: object, message: string): void;
  /** By error code. */
  refused(code: ErrorCode): void;
}

/** Refuses an upgrade: answered, logged and counted, by whichever part of the server does it. */
export function refuseUpgrade(socket: Duplex, problem: Problem, { log, refused }: Refusals): void {
  const requestId = randomUUID();
  const { code, message, cause } = problem;
  refused(code);
  log({ request_id: requestId, code, detail: message, err: cause }, "tunnel refused");
  if (!socket.destroyed) refuse(socket, problem, requestId);
}
