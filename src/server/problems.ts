/** Errors on their way out: every one is a problem document, and what the server knows beyond it stays in the log. */
import { Problem } from "../api/errors.ts";

/** The problem to answer for anything that was thrown; what is no problem already is a fault of the server. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("internal", "the server failed on this request", {
    hint: "its log has the cause under the request id",
    cause: error,
  });
}

/** Headers that belong to a problem of this kind. */
export function problemHeaders(problem: Problem): Record<string, string> {
  return {
    "content-type": "application/problem+json",
    ...(problem.retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(problem.retryAfter)) }),
    ...(problem.code === "not_logged_in" ? { "www-authenticate": 'Bearer realm="gpu-dev"' } : {}),
  };
}
