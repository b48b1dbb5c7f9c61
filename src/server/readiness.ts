/** Ready to serve: each part is asked, with a bound, and the failing one is named (O-05). */
import type { Health } from "../api/schemas.ts";

export type Checks = Readonly<Record<string, () => Promise<unknown>>>;

interface ReadinessOptions {
  readonly checks: Checks;
  /** How long a part may take before it counts as failing. */
  readonly timeoutMs: number;
  /** How long an answer is given again: the endpoint needs no token, so it must cost nothing to ask it often. */
  readonly maxAgeMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Told when a part starts or stops failing, not on each pass. */
  readonly onChange: (part: string, error: unknown) => void;
}

/** Asks the parts, once at a time for all callers. */
export function createReadiness(options: ReadinessOptions): () => Promise<Health> {
  const failing = new Set<string>();
  let last: { at: number; health: Promise<Health> } | undefined;
  return () => {
    if (!last || options.now() - last.at > options.maxAgeMs)
      last = { at: options.now(), health: askAll(options, failing) };
    return last.health;
  };
}

async function askAll(options: ReadinessOptions, failing: Set<string>): Promise<Health> {
  const asked = Object.entries(options.checks).map(async ([part, ask]) => {
    const error = await failure(ask, options.timeoutMs);
    if ((error !== undefined) !== failing.has(part)) options.onChange(part, error);
    failing[error === undefined ? "delete" : "add"](part);
    return [part, error === undefined ? "ok" : "failing"] as const;
  });
  const checks = Object.fromEntries(await Promise.all(asked));
  return { status: Object.values(checks).includes("failing") ? "failing" : "ok", checks };
}

/** Why the part fails; undefined when it answers in time. */
async function failure(ask: () => Promise<unknown>, timeoutMs: number): Promise<unknown> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    await Promise.race([ask(), late]);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    clearTimeout(timer);
  }
}
