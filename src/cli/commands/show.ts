/** `gpu-dev show`: one reservation with its history. */
import { exactDuration } from "../../api/duration.ts";
import type { WayToStartSooner } from "../../api/forecast.ts";
import { isId } from "../../api/names.ts";
import { labelWords } from "../../api/node-labels.ts";
import type { Reservation, ReservationEvent } from "../../api/reservations.ts";
import { reservationArgument } from "../argument.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { findReservation, wordOrAsked } from "../find.ts";
import { checkWatching, flag, watching } from "../options.ts";
import type { Cell, Output } from "../output/output.ts";
import { phases, phaseWords } from "../output/phases.ts";
import { eventRow, gpus, idleWords, outlook, sshAlias, stateCell } from "../output/reservation.ts";
import { ago, startBy } from "../output/time.ts";
import { refreshSshFiles } from "../ssh/ssh-files.ts";
import type { WithHistory } from "../watching/feed.ts";
import { webhookWords } from "../webhook.ts";

export const command = defineCommand({
  arguments: [reservationArgument(" and inside a pod")],
  options: {
    ...watching,
    why: flag(
      "--why",
      "What is the matter with it: its phase, the last ssh login, its driver's view, what comes next",
    ),
    usage: flag(
      "--usage",
      "What it uses: CPU, memory, GPUs, network and the home's file system, of each node",
    ),
  },
  details:
    "With --why, administrators may give the full id of anybody's. --watch follows the reservation to its end: on a terminal in place; with --json each change is one line of JSON, in a pipe one block of lines. With --usage it asks every two seconds; a pipe gets plain figures: CPUs, bytes and percent, and of what.",
  examples: [
    {
      line: "gpu-dev show train",
      meaning: "State, time left or latest start, how to start sooner, and what happened",
    },
    {
      line: "gpu-dev show train --why",
      meaning: "Why it is not ready: what was tried, what the driver says, and what comes next",
    },
    { line: "gpu-dev show train --watch", meaning: "What happens to it, as it happens" },
    { line: "gpu-dev show train --usage --watch", meaning: "How busy it is, as bars that move" },
    {
      line: "gpu-dev show train --json",
      meaning: "The reservation as the API has it, with its phases and events",
    },
  ],
  async run([word], given, ctx): Promise<Output | number> {
    checkWatching(given);
    if (given.usage) return await showUsage(ctx, word, given);
    if (given.why) return await showWhy(ctx, word, given.watch);
    const found = await findReservation(ctx.api(), await wordOrAsked(ctx, word));
    if (given.watch) return await watchOne(ctx, found.id, given.timeout);
    const params = { id: found.id };
    const { items: events } = await ctx.api().listEvents({ params, query: {} });
    const ways = found.state === "queued" ? (await ctx.api().listAdvice({ params })).items : [];
    if (found.access !== "pod") await refreshSshFiles(ctx);
    return output(found, events, ctx.clock.now(), ways);
  },
});

/** A whole id is not looked for: to administrators it may be anybody's. */
async function showWhy(ctx: Context, word: string | undefined, watch: boolean): Promise<Output> {
  if (watch) throw new UsageError("--why and --watch cannot be combined");
  const meant = await wordOrAsked(ctx, word);
  const id = isId(meant) ? meant : (await findReservation(ctx.api(), meant)).id;
  const [found, { describeDiagnostics }] = await Promise.all([
    ctx.api().getDiagnostics({ params: { id } }),
    import("../output/diagnostics.ts"),
  ]);
  return describeDiagnostics(found, ctx.clock.now());
}

async function showUsage(
  ctx: Context,
  word: string | undefined,
  { why, watch, timeout: timeoutS }: { why: boolean; watch: boolean; timeout: number | undefined },
): Promise<Output | number> {
  if (why) throw new UsageError("--why and --usage cannot be combined");
  const { id } = await findReservation(ctx.api(), await wordOrAsked(ctx, word));
  if (watch) return await (await import("../watching/usage.ts")).watchUsage(ctx, id, { timeoutS });
  const [usage, { describeUsage }] = await Promise.all([
    ctx.api().getUsage({ params: { id } }),
    import("../output/usage.ts"),
  ]);
  return describeUsage(usage);
}

async function watchOne(ctx: Context, id: string, timeoutS: number | undefined): Promise<number> {
  const [{ watch }, { historyFeed }] = await Promise.all([
    import("../watching/watch.ts"),
    import("../watching/feed.ts"),
  ]);
  const show = ({ reservation, events }: WithHistory, now: Date): Output => output(reservation, events, now);
  return await watch(ctx, historyFeed(id), show, { timeoutS });
}

function output(
  r: Reservation,
  events: readonly ReservationEvent[],
  now: Date,
  ways: readonly WayToStartSooner[] = [],
): Output {
  const took = phases(r, now);
  return {
    json: { ...r, start_sooner: ways, phases: took, events },
    watched: { ...r, events },
    rows: [
      ...describe(r, now).rows,
      ...ways.map((way) => sooner(way, now)),
      ["took", phaseWords(took)],
      ...events.map((event) => eventRow(event, now)),
    ],
  };
}

/** Labels and values of a reservation; also what `reserve` and `edit` answer with. */
export function describe(r: Reservation, now: Date): Output {
  const rows: Cell[][] = [
    ["id", r.id],
    ["name", r.name ?? ""],
    ["owner", r.access === "collaborator" ? `${r.owner}, who shares it with you` : ""],
    ["shared with", r.collaborators?.map(collaboratorWords).join(", ") ?? ""],
    ["state", stateCell(r)],
    ["reason", r.reason ?? ""],
    ["gpus", gpus(r)],
    ["disk", r.disk ?? ""],
    ["image", imageWords(r)],
    ["node labels", labelWords(r.node_labels ?? {})],
    ...nodeRows(r),
    ["isolation", r.isolation === "processes" ? "processes (one trust domain)" : (r.isolation ?? "")],
    ["time", exactDuration(r.duration_s)],
    ["priority", r.priority === "normal" ? "" : r.priority],
    [r.state === "queued" ? "start" : "end", outlook(r, now)],
    ["created", ago(r.created_at, now)],
    ["started", ago(r.started_at, now)],
    ["ended", ago(r.ended_at, now)],
    ["idle", idleWords(r)],
    ["webhook", webhookWords(r)],
    ["last error", r.last_error ?? ""],
    ["ssh", r.state === "active" ? `ssh ${sshAlias(r)}` : ""],
  ];
  return { json: r, rows: rows.filter(([, value]) => value !== "") };
}

/** Servers of before have none of these. */
function imageWords({ image, build_id, entrypoint }: Reservation): string {
  const what = image ?? (build_id ? `built (${build_id.slice(0, 8)})` : "");
  return entrypoint ? `${what || "the server's"}, with its own entrypoint` : what;
}

const collaboratorWords = ({ kind, name, keys }: Reservation["collaborators"][number]): string =>
  kind === "github" ? `github:${name} (${keys} ${keys === 1 ? "key" : "keys"})` : name;

/** Of several nodes each has a line: how to get in, and its GPUs. */
function nodeRows(r: Reservation): Cell[][] {
  if ((r.nodes?.length ?? 0) < 2) return [["node", r.node ?? ""]];
  return r.nodes.map(({ rank, node, gpus: held }) => [
    `node ${rank}`,
    `${node}, GPUs ${held.join(",")}${r.state === "active" ? `: ssh ${sshAlias(r, rank)}` : ""}`,
  ]);
}

/** One change of the request that would start it sooner. */
function sooner(way: WayToStartSooner, now: Date): Cell[] {
  const start = startBy(way.latest_start_at, now);
  const what = way.change === "duration_s" ? `for ${exactDuration(way.duration_s)}` : `with ${gpus(way)}`;
  if (typeof start === "string") return ["sooner", `${what}: ${start}`];
  return ["sooner", { text: `${what}: ${start.text}`, value: `${what} ${start.value}` }];
}
