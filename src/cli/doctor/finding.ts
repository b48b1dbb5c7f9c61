/** What `gpu-dev doctor` finds out, one line for each thing it looks at. */
import { failureOf } from "../errors.ts";

export interface Finding {
  /** What was looked at: a word that scripts may pick. */
  readonly check: string;
  /** "skipped" is what cannot be looked at before a failure is mended. */
  readonly status: "ok" | "warning" | "failure" | "skipped";
  readonly detail: string;
  /** What to do about it. */
  readonly fix?: string;
}

export const ok = (check: string, detail: string): Finding => ({ check, status: "ok", detail });

export const warning = (check: string, detail: string, fix: string): Finding => ({
  check,
  status: "warning",
  detail,
  fix,
});

export const failure = (check: string, detail: string, fix: string): Finding => ({
  check,
  status: "failure",
  detail,
  fix,
});

export const skipped = (check: string, why: string): Finding => ({
  check,
  status: "skipped",
  detail: `not looked at: ${why}`,
});

/** What an exception says, in the words of every other command. */
export function failed(check: string, error: unknown): Finding {
  const { message, hint = "Run the command again with --verbose." } = failureOf(error);
  return failure(check, message, hint);
}
