/** `gpu-dev logs`: what is said of a reservation, by its history and by its pod. */
import type { LogLine, LogPage, LogsQuery } from "../../api/logs.ts";
import { reservationArgument } from "../argument.ts";
import { defineCommand, type Values } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { findReservation, wordOrAsked } from "../find.ts";
import { count, duration, flag, parsed } from "../options.ts";
import { printLine } from "../output/output.ts";
import { createPaint } from "../output/paint.ts";
import { pick } from "../output/pick.ts";
import { plain } from "../output/text.ts";
import { wallClockSeconds } from "../output/time.ts";
import { checkNode } from "../ssh/reach.ts";

const MOST = 1000;

const options = {
  follow: flag("-f, --follow", "Go on with what comes, until it ends or Ctrl-C (exit 130)"),
  tail: parsed("--tail <N>", `Only the last N lines (default: 100; at most ${MOST})`, tail),
  since: parsed("--since <DURATION>", "Only what is younger, such as 10m", duration),
  life: flag("--life", "Only its history"),
  pod: flag("--pod", "Only what its pod said"),
  node: parsed("--node <N>", "Whose pod, of several nodes, from 0 (default: 0)", count),
  timeout: parsed("--timeout <DURATION>", "With --follow: stop after this (exit 8; default: 24h)", duration),
};

export const command = defineCommand({
  arguments: [reservationArgument()],
  options,
  details:
    "The history of the reservation (life) and what the sshd and the init of its pod said, in the order of their times. What your own programs print is theirs to keep. Of a pod the last 1000 lines are kept while it runs, and the last 200 when it is gone, of the newest 1000 pods. With --json each line is one document.",
  examples: [
    { line: "gpu-dev logs train", meaning: "The last 100 lines" },
    { line: "gpu-dev logs train -f --pod", meaning: "Who logs in, as it happens" },
    { line: "gpu-dev logs train --since 10m --life", meaning: "What happened to it lately" },
  ],
  async run([word], given, ctx): Promise<number | undefined> {
    if (given.timeout !== undefined && !given.follow)
      throw new UsageError("--timeout needs --follow: without it nothing is waited for");
    const found = await findReservation(ctx.api(), await wordOrAsked(ctx, word));
    checkNode(found, given.node ?? 0);
    const query = queryOf(given, ctx.clock.now());
    if (given.follow) return await follow(ctx, found.id, query, given.timeout);
    const page = await ctx.api().listLogs({ params: { id: found.id }, query });
    write(ctx, page);
    sayMissing(ctx, page.missing);
    if (page.items.length === 0 && !page.missing) ctx.say("Nothing was said, as far as it was asked for.");
    return undefined;
  },
});

async function follow(
  ctx: Context,
  id: string,
  query: LogsQuery,
  timeoutS: number | undefined,
): Promise<number> {
  const [{ watchEach }, { logFeed }] = await Promise.all([
    import("../watching/watch.ts"),
    import("../watching/feed.ts"),
  ]);
  let missing: string | null = null;
  const show = (page: LogPage): void => {
    write(ctx, page);
    if (page.missing !== missing) sayMissing(ctx, page.missing);
    missing = page.missing;
  };
  return await watchEach(ctx, logFeed(id, query), (page) => page && show(page), { timeoutS });
}

function queryOf(given: Values<typeof options>, now: Date): LogsQuery {
  const { tail: most, since, life, pod, node } = given;
  return {
    ...(most === undefined ? {} : { tail: String(most) }),
    ...(since === undefined ? {} : { since: new Date(now.getTime() - since * 1000).toISOString() }),
    ...(Boolean(life) === Boolean(pod) ? {} : { source: life ? "life" : "pod" }),
    ...(node === undefined ? {} : { node: String(node) }),
  };
}

/** Nothing is cut: what does not fit goes on in the next line of the terminal. */
function write(ctx: Context, { items }: LogPage): void {
  for (const line of items)
    if (ctx.global.json) printLine(ctx, pick(line, ctx.global.fields));
    else ctx.io.stdout.write(`${ctx.io.stdout.isTTY ? forPeople(ctx, line) : forPipes(line)}\n`);
}

/** A server of before says nothing of it. */
function sayMissing(ctx: Context, missing: string | null | undefined): void {
  if (missing) ctx.say(`Not all of it is here: ${missing}`);
}

const forPipes = ({ at, source, text }: LogLine): string => [at, source, plain(text)].join("\t");

function forPeople(ctx: Context, { at, source, text }: LogLine): string {
  const paint = createPaint(ctx.colour.stdout);
  return `${paint.tone("dim", wallClockSeconds(at, ctx.timeZone()))}  ${source.padEnd(4)}  ${plain(text)}`;
}

function tail(given: string): number {
  const lines = count(given);
  if (lines <= MOST) return lines;
  throw new UsageError(`${given} is more than ${MOST}`);
}
