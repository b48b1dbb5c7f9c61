/**
 * Failures by what the caller does next: change the command line (UsageError), nothing (Declined, Interrupted), configure
 * (NotConfigured), try later (Unreachable, BadReply), read the server's words (RefusedRequest, Problem), or report a bug.
 * One function maps each to its message, hint and exit code.
 */
import { BadReply, RefusedRequest } from "../api/client.ts";
import { ERRORS, EXIT, isErrorCode, Problem, type ProblemDocument } from "../api/errors.ts";
import type { Endpoint } from "../api/home.ts";
import { fileTrouble } from "./config/file-trouble.ts";

/** A failure that the command line itself names. `code` goes into the JSON document. */
export class CliError extends Error {
  readonly code: string;
  readonly exit: number;
  readonly hint: string | undefined;
  /** More members of the JSON document. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    exit: number,
    message: string,
    more: { hint?: string | undefined; cause?: unknown; extra?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "CliError";
    this.code = code;
    this.exit = exit;
    this.hint = more.hint;
    this.extra = more.extra ?? {};
  }
}

const HINT_USAGE = "`--help` shows what it takes.";

/** The command line cannot be carried out as it was typed. */
export class UsageError extends CliError {
  constructor(message: string, hint = HINT_USAGE, cause?: unknown) {
    super("usage", EXIT.usage, message, { hint, cause });
    this.name = "UsageError";
  }
}

/** A question was answered with no, or with Ctrl-C. */
export class Declined extends CliError {
  constructor(message = "Nothing was changed") {
    super("declined", EXIT.declined, message);
    this.name = "Declined";
  }
}

/** No server is configured. */
export class NotConfigured extends CliError {
  constructor(message: string, hint: string) {
    super("not_configured", EXIT.auth, message, { hint });
    this.name = "NotConfigured";
  }
}

/** The server did not answer. */
export class Unreachable extends CliError {
  constructor(endpoint: Endpoint, why: string, cause: unknown, hint = hintForUnreachable(endpoint)) {
    const message = `No answer from ${endpoint.url} (set by ${endpoint.origin}): ${why}`;
    super("unreachable", EXIT.tryLater, message, { hint, cause });
    this.name = "Unreachable";
  }
}

function hintForUnreachable(endpoint: Endpoint): string {
  if (endpoint.context === "local") return "Is the server running? Start it with `gpu-dev server`.";
  return `Check the address (${endpoint.origin}) and your network; \`gpu-dev doctor\` looks at each step of the way.`;
}

/** What is said about an error, and the exit code. */
export interface Failure {
  readonly message: string;
  readonly hint: string | undefined;
  readonly exit: number;
  /** The document that `--json` prints. */
  readonly document: Readonly<Record<string, unknown>>;
}

/** The one map from an error to words and an exit code. */
export function failureOf(error: unknown): Failure {
  if (error instanceof RefusedRequest) return fromProblem(error.problem);
  if (error instanceof Problem) return fromProblem(error.document());
  if (error instanceof BadReply) return own(asGatewayError(error));
  if (error instanceof CliError) return own(error);
  return own(asFileError(error) ?? asBug(error));
}

/** Whether no part of the program knows what it is. */
export const isUnforeseen = (error: unknown): boolean => failureOf(error).document.code === BUG;

const BUG = "bug";

function fromProblem(problem: ProblemDocument): Failure {
  // A server that says the one offending field in its first sentence need not be heard twice.
  const more = (problem.errors ?? []).filter((field) => !problem.detail.includes(field.detail));
  const fields = more.map((field) => `\n  ${field.field}: ${field.detail}`).join("");
  const exit = exitFor(problem);
  const hint = hintFor(problem) ?? HINTS[exit];
  return {
    message: withFlags(`${problem.detail}${requestOf(problem)}${fields}`),
    hint: hint && withFlags(hint),
    exit,
    document: { ...problem },
  };
}

/** What fields of requests are called on the command line, where that is not their name on the wire. */
const FLAGS: Readonly<Record<string, string>> = {
  gpu_type: "--gpu-type",
  gpu_count: "--gpus",
  multi_node: "--multi-node",
  duration_s: "--time",
  start_at: "--at",
  node_labels: "--node-label",
  extend_s: "--extend",
};

/** Not within quotes: what is there was typed. */
const FIELDS = new RegExp(`(?<![\\w"-])(${Object.keys(FLAGS).join("|")})(?![\\w"-])`, "g");

const withFlags = (words: string): string => words.replaceAll(FIELDS, (field) => FLAGS[field] ?? field);

/** By which the server's log tells what went wrong inside of it. */
const requestOf = ({ status, request_id }: ProblemDocument): string =>
  status >= 500 && request_id !== undefined ? ` (request ${request_id})` : "";

/** What the server cannot know: where the token comes from here, and that what is asked for is in this contract. */
function hintFor({ code, status, hint }: ProblemDocument): string | undefined {
  const ours = { unknown_route: HINT_UNKNOWN_ROUTE, not_logged_in: HINTS[EXIT.auth] }[code];
  if (ours !== undefined) return [hint, ours].filter(Boolean).join("\n");
  return hint ?? (status === 403 ? HINT_403 : undefined);
}

const HINT_UNKNOWN_ROUTE =
  "The server may be older than this gpu-dev, or the URL is of something else: `gpu-dev doctor` compares their versions.";
const HINT_403 = "`gpu-dev whoami` says who you are to the server; ask its administrator.";

/** What to do, by the exit code, where the server does not say it. */
const HINTS: Readonly<Record<number, string>> = {
  [EXIT.error]: "Report it to who runs the server: its log tells more.",
  [EXIT.usage]: HINT_USAGE,
  [EXIT.auth]:
    "`gpu-dev config show --origin` says where the token comes from; `gpu-dev login URL` stores another.",
  [EXIT.notFound]: "`gpu-dev list --all` shows all of yours.",
  [EXIT.noCapacity]: "`gpu-dev avail` says when; without --no-queue it waits for its turn.",
  [EXIT.quota]: "`gpu-dev whoami --quota` shows yours; an administrator changes them.",
  [EXIT.conflict]: "`gpu-dev show` says how it is now.",
  [EXIT.tryLater]: "Try again in a moment; `gpu-dev status` says how the server is.",
};

/** By code; a code of a newer server by its status and whether it may be tried again. */
function exitFor(problem: ProblemDocument): number {
  if (isErrorCode(problem.code)) return ERRORS[problem.code].exit;
  if (problem.retryable || problem.status === 429 || problem.status >= 502) return EXIT.tryLater;
  return EXIT_BY_STATUS[problem.status] ?? EXIT.error;
}

const EXIT_BY_STATUS: Readonly<Record<number, number>> = {
  400: EXIT.usage,
  401: EXIT.auth,
  403: EXIT.auth,
  404: EXIT.notFound,
  409: EXIT.conflict,
  410: EXIT.conflict,
  422: EXIT.usage,
};

function own(error: CliError): Failure {
  return {
    message: error.message,
    hint: error.hint,
    exit: error.exit,
    document: {
      type: `urn:gpu-dev:error:${error.code}`,
      code: error.code,
      detail: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      retryable: error.exit === EXIT.tryLater,
      ...error.extra,
    },
  };
}

/** C-27: a proxy's page is a failing gateway, whatever its status says. */
const asGatewayError = (error: BadReply): CliError =>
  new CliError(
    "bad_reply",
    EXIT.tryLater,
    `Something between here and the server answered instead of it: ${error.message}`,
    {
      hint: "A proxy, a login page or a wrong URL: `gpu-dev config show` says which URL is used.",
      cause: error,
      extra: { status: error.status },
    },
  );

function asFileError(error: unknown): CliError | undefined {
  const trouble = fileTrouble(error);
  return (
    trouble && new CliError("file_error", EXIT.error, trouble.message, { hint: trouble.hint, cause: error })
  );
}

function asBug(error: unknown): CliError {
  const what = error instanceof Error ? error.message : String(error);
  return new CliError(BUG, EXIT.error, `Unexpected: ${what}`, {
    hint: "Run it again with --verbose and report what it prints.",
    cause: error,
  });
}
