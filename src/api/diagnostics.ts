/** The contract's shape of what is the matter with a reservation: what is known of it, what its driver says, and what comes next. */
import * as z from "zod";
import { event, STATES } from "./reservations.ts";
import { instant } from "./schemas.ts";

const sshAttempt = z.object({
  at: instant,
  ok: z.boolean(),
  cause: z
    .string()
    .nullable()
    .describe("refused, timeout, key rejected, banner missing, wrong host key or failed; null for a success"),
  detail: z.string().nullable(),
});

const podView = z.object({
  name: z.string().nullable().describe("Of the first node's pod; null while none was asked for"),
  attempt: z.int().describe("Which launch this is; 0: none yet"),
  state: z
    .enum(["none", "absent", "starting", "running", "dead", "unknown"])
    .describe("As the driver says it now; none: nothing was ever launched; unknown: it could not be asked"),
  detail: z
    .string()
    .nullable()
    .describe("Why: what it waits for, what it died of, or why it could not be asked"),
});

const nextStep = z.object({
  step: z.string().describe("The step of the server's rules, such as launch, prove, terminate or wait"),
  detail: z.string().describe("The same in words"),
  at: instant
    .nullable()
    .describe("When it is taken at the latest; in the past: any moment; null when nobody can tell"),
});

export const diagnostics = z.object({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string(),
  state: z.enum(STATES),
  state_since: instant,
  state_age_s: z.int(),
  deadline_at: instant
    .nullable()
    .describe(
      "By then this state is over, one way or the other; null for one that lasts until it is done, and at the end",
    ),
  reason: z.string().nullable().describe("What it waits for, or why it ended, in words"),
  latest_start_at: instant.nullable().describe("While queued: it starts by then"),
  node: z.string().nullable(),
  last_error: z.string().nullable().describe("What went wrong last, while it goes on"),
  ssh: z.object({
    attempts: z.int(),
    last: sshAttempt.nullable().describe("The last login that the server tried; null for none"),
  }),
  pod: podView,
  next: nextStep.nullable().describe("Null when it is over"),
  in_hand_until: instant
    .nullable()
    .describe("A server works on it now; if that one dies, another takes it up after this"),
  events: z.array(event).describe("The last entries of its history, oldest first"),
});
export type Diagnostics = z.infer<typeof diagnostics>;
