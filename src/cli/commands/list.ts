/** `gpu-dev list`: the caller's reservations and those shared with him, newest first. */
import { id8 } from "../../api/names.ts";
import type { ListReservationsQuery, Reservation, State } from "../../api/reservations.ts";
import type { Page } from "../../api/schemas.ts";
import { defineCommand, type Values } from "../command.ts";
import type { Context } from "../context.ts";
import { allPages } from "../http/all-pages.ts";
import { checkWatching, choice, flag, watching } from "../options.ts";
import type { Cell, Output } from "../output/output.ts";
import { gpus, outlook, stateCell } from "../output/reservation.ts";
import { ago } from "../output/time.ts";
import { refreshSshFiles } from "../ssh/ssh-files.ts";

// Not from the schemas, which would load zod; the compiler checks each against them.
const STATES = [
  "queued",
  "preparing",
  "active",
  "ending",
  "expired",
  "cancelled",
  "failed",
] as const satisfies readonly State[];

const options = {
  all: flag("-a, --all", "Ended ones too"),
  state: choice("--state <STATE>", "Only those in this state", STATES),
  ...watching,
};

export const command = defineCommand({
  options,
  details:
    "--watch follows the server's events: on a terminal the table changes in place; with --json each change is one line of JSON, in a pipe one block of lines. It shows the newest 500.",
  examples: [
    { line: "gpu-dev list", meaning: "Those that have not ended" },
    { line: "gpu-dev list --state failed", meaning: "Those that failed" },
    { line: "gpu-dev list --watch", meaning: "The list as it changes" },
    { line: "gpu-dev list --all | cut -f2", meaning: "All ids: a pipe gets tab-separated full values" },
  ],
  async run(_args, given, ctx): Promise<Output | number> {
    checkWatching(given);
    if (given.watch) return await watchList(ctx, given);
    const { items } = await allPages((page) =>
      ctx.api().listReservations({ query: { ...filter(given), ...page } }),
    );
    if (!given.all && given.state === undefined) await refreshSshFiles(ctx, items);
    return output(items, filter(given), ctx.clock.now());
  },
});

/** Loaded only when it is asked for: most lists are looked at once. */
async function watchList(ctx: Context, given: Values<typeof options>): Promise<number> {
  const [{ watch }, { listFeed }] = await Promise.all([
    import("../watching/watch.ts"),
    import("../watching/feed.ts"),
  ]);
  const query = filter(given);
  const show = ({ items }: Page<Reservation>, now: Date): Output => output(items, query, now);
  return await watch(ctx, listFeed(query), show, { timeoutS: given.timeout });
}

const output = (items: readonly Reservation[], { state }: ListReservationsQuery, now: Date): Output => ({
  json: { items },
  header: ["NAME", "ID", "STATE", "GPUS", "TIME", "CREATED", "REASON", "OWNER"],
  spare: ["CREATED", "REASON"],
  rows: items.map((r) => row(r, now)),
  empty:
    state === "live" || state === "all"
      ? NONE
      : `None is ${state}; \`gpu-dev list --all\` shows all of yours.`,
});

const NONE =
  "No reservations. Make one with `gpu-dev reserve --gpu-type TYPE --time 1h`; `gpu-dev avail` lists the types.";

function filter(given: Values<typeof options>): ListReservationsQuery {
  return { state: given.state ?? (given.all ? "all" : "live") };
}

const row = (r: Reservation, now: Date): Cell[] => [
  r.name ?? "",
  { text: id8(r.id), value: r.id },
  stateCell(r),
  gpus(r),
  outlook(r, now),
  ago(r.created_at, now),
  r.reason ?? "",
  { text: r.access === "collaborator" ? r.owner : "", value: r.owner },
];
