/** What took how long in the life of a reservation: "queued 3m, preparing 0.9s (launch 0.2s, ssh 0.7s), active 1h". */
import { formatElapsed } from "../../api/duration.ts";
import type { Reservation } from "../../api/reservations.ts";
import { parseInstant } from "./time.ts";

export interface Phase {
  readonly phase: "queued" | "preparing" | "active" | "ending";
  readonly started_at: string;
  /** Null while it goes on. */
  readonly ended_at: string | null;
  /** Milliseconds, up to now while it goes on. */
  readonly duration_ms: number;
  /** Parts of it that have ended, in order. */
  readonly steps: readonly { readonly step: "launch" | "ssh"; readonly duration_ms: number }[];
}

/** The phases that have begun, in order. Of one that was put back into the queue, the present attempt. */
export function phases(r: Reservation, now: Date): Phase[] {
  const { created_at, placed_at, started_at, ending_at, ended_at } = r;
  const made = [
    phase("queued", created_at, placed_at ?? ended_at, now),
    phase("preparing", placed_at, started_at ?? ending_at, now, preparingSteps(r)),
    phase("active", started_at, ending_at, now),
    phase("ending", ending_at, ended_at, now),
  ];
  return made.filter((one) => one !== undefined);
}

function phase(
  name: Phase["phase"],
  started_at: string | null,
  ended_at: string | null,
  now: Date,
  steps: Phase["steps"] = [],
): Phase | undefined {
  if (started_at === null) return undefined;
  return {
    phase: name,
    started_at,
    ended_at,
    duration_ms: between(started_at, ended_at ?? now.toISOString()),
    steps,
  };
}

function preparingSteps({ placed_at, launched_at, proved_at }: Reservation): Phase["steps"] {
  const steps = [
    ["launch", placed_at, launched_at],
    ["ssh", launched_at, proved_at],
  ] as const;
  return steps.flatMap(([step, from, to]) =>
    from === null || to === null ? [] : [{ step, duration_ms: between(from, to) }],
  );
}

/** Milliseconds. A clock here that is behind the server's makes no negative time, and what is no instant no time at all (C-15). */
function between(from: string, to: string): number {
  const [start, end] = [parseInstant(from), parseInstant(to)];
  return start === undefined || end === undefined ? 0 : Math.max(0, end - start);
}

/** All of them in one line. */
export const phaseWords = (list: readonly Phase[]): string => list.map(words).join(", ");

function words({ phase: name, duration_ms, steps }: Phase): string {
  const parts = steps.map(({ step, duration_ms: ms }) => `${step} ${formatElapsed(ms)}`);
  return `${name} ${formatElapsed(duration_ms)}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}
