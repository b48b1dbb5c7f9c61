import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Problem } from "../api/errors.ts";

/** Answers an upgrade with a problem document (RFC 9457) in plain HTTP, and closes the connection. */
export function refuse(socket: Duplex, problem: Problem, requestId: string): void {
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
