/** `gpu-dev admin audit`: who did what to what, when, from where, with which outcome. */
import type { AuditEntry } from "../../../api/audit.ts";
import { isId } from "../../../api/names.ts";
import type { Page } from "../../../api/schemas.ts";
import { defineCommand, type Values } from "../../command.ts";
import type { Context } from "../../context.ts";
import { UsageError } from "../../errors.ts";
import { findReservation } from "../../find.ts";
import { count, duration, parsed, text } from "../../options.ts";
import { toned } from "../../output/cell.ts";
import type { Cell, Output } from "../../output/output.ts";
import { ago, parseInstant } from "../../output/time.ts";

const DEFAULT_LIMIT = 100;
const PAGE = 500;

const TIMES = "2h ago as 2h, or 2026-12-01, 2026-12-01T09:00Z";
const options = {
  user: text("--user <NAME>", "Only what this user did; or system, pod, anonymous"),
  action: text("--action <ACTION>", "Only this: token.revoke, tunnel.close, access.refuse, …"),
  reservation: text(
    "--reservation <R>",
    "Only what was done with this one, tunnels included",
    "reservations",
  ),
  outcome: text("--outcome <CODE>", "ok, or the code with which it was refused: not_allowed, not_logged_in"),
  since: text("--since <TIME>", `From then on: ${TIMES} (UTC)`),
  until: text("--until <TIME>", "Before then"),
  limit: parsed("--limit <N>", `The newest N of them (default: ${DEFAULT_LIMIT})`, count),
};

export const command = defineCommand({
  options,
  details:
    "Newest first. Every change that somebody asked for or that the server made is an entry, every tunnel when it is over, and every refusal (the same once a minute). Entries are never changed, and deleted when they are older than the server keeps them (400 days, unless its configuration says otherwise). For administrators.",
  examples: [
    { line: "gpu-dev admin audit --since 24h", meaning: "What happened since yesterday" },
    { line: "gpu-dev admin audit --user ann --since 2026-12-01", meaning: "What ann did in December" },
    {
      line: "gpu-dev admin audit --action tunnel.close --reservation train --json",
      meaning: "Who came in, from where, for how long, and how many bytes went through",
    },
    { line: "gpu-dev admin audit --outcome not_allowed", meaning: "Who tried what they may not do" },
  ],
  async run(_args, given, ctx): Promise<Output> {
    const items = await newest(ctx, await queryOf(ctx, given), given.limit ?? DEFAULT_LIMIT);
    const now = ctx.clock.now();
    return {
      json: { items },
      header: ["TIME", "WHO", "ACTION", "SUBJECT", "OUTCOME", "FROM", "DETAIL", "ID"],
      spare: ["ID", "DETAIL", "FROM"],
      rows: items.map((entry) => row(entry, now)),
      empty: "No entry is as asked for; without flags it shows the newest.",
    };
  },
});

type Query = Readonly<Partial<Record<Exclude<keyof typeof options, "limit">, string>>>;

async function queryOf(ctx: Context, given: Values<typeof options>): Promise<Query> {
  const { user, action, outcome, reservation } = given;
  const now = ctx.clock.now();
  const [since, until] = [given.since, given.until].map((at) => (at === undefined ? at : instant(at, now)));
  if (since !== undefined && until !== undefined && since > until)
    throw new UsageError("--until lies before --since", "Give the earlier time to --since.");
  // Somebody else's is known to administrators by its id alone.
  const id =
    reservation === undefined || isId(reservation)
      ? reservation
      : (await findReservation(ctx.api(), reservation)).id;
  const query = { user, action, outcome, reservation: id, since, until };
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
}

/** An instant as the API has it. */
function instant(given: string, now: Date): string {
  if (/^\d+(\.\d+)?[a-z]/.test(given)) return new Date(now.getTime() - duration(given) * 1000).toISOString();
  const ms = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)/.test(given)
    ? parseInstant(given.length === 10 ? `${given}T00:00` : given)
    : undefined;
  if (ms !== undefined) return new Date(ms).toISOString();
  throw new UsageError(`${JSON.stringify(given)} is not a time; write ${TIMES}`);
}

async function newest(ctx: Context, query: Query, limit: number): Promise<AuditEntry[]> {
  const items: AuditEntry[] = [];
  for (let cursor: string | null = ""; cursor !== null && items.length < limit; ) {
    const wanted = String(Math.min(PAGE, limit - items.length));
    const page: Page<AuditEntry> = await ctx
      .api()
      .listAudit({ query: { ...query, limit: wanted, ...(cursor === "" ? {} : { cursor }) } });
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return items;
}

const row = (entry: AuditEntry, now: Date): Cell[] => [
  ago(entry.at, now),
  entry.actor_name,
  entry.action,
  entry.subject,
  toned(entry.outcome, entry.outcome === "ok" ? "good" : "bad"),
  entry.from ?? "",
  entry.detail ?? (entry.data ? JSON.stringify(entry.data) : ""),
  entry.id,
];
