/** Operations on disks, which take time: waiting for one, and its words. Ctrl-C stops the waiting only. */
import type { DiskOperation, OperationKind } from "../../api/disks.ts";
import { exactDuration } from "../../api/duration.ts";
import { EXIT } from "../../api/errors.ts";
import type { Values } from "../command.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { duration, flag, parsed } from "../options.ts";
import type { Output } from "../output/output.ts";
import { roundSize } from "../output/size.ts";
import type { Feed } from "../watching/feed.ts";
import { settle } from "../watching/settle.ts";

const DEFAULT_TIMEOUT_S = 24 * 3600;
const BAR = 20;

/** What every command has that begins an operation. */
export const waiting = {
  noWait: flag("--no-wait", "Do not wait until it is done"),
  timeout: parsed(
    "--timeout <DURATION>",
    "Stop waiting after this (exit 8, it goes on; default: 24h)",
    duration,
  ),
};

/** For `details` of such a command. */
export const WAITING = "Ctrl-C stops the waiting only: what was begun goes on.";

type Given = Values<typeof waiting>;

/** Waits for it as told, and prints it. Throws CliError `operation_failed` (exit 1), `still_pending` (8) and `interrupted` (130). */
export async function finish(
  ctx: Context,
  begun: DiskOperation,
  disk: string,
  given: Given,
): Promise<DiskOperation> {
  if (given.noWait) {
    ctx.say(following(disk));
    return begun;
  }
  const interrupt = ctx.watchInterrupt();
  try {
    return await waitFor(ctx, begun, disk, given.timeout ?? DEFAULT_TIMEOUT_S, interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError("interrupted", EXIT.interrupted, "Interrupted", {
      hint: `The ${begun.kind} goes on. ${following(disk)}`,
      extra: { operation: begun },
    });
  } finally {
    interrupt.stop();
  }
}

const following = (disk: string): string => `Follow it with \`gpu-dev disk wait ${disk}\`.`;

async function waitFor(
  ctx: Context,
  begun: DiskOperation,
  disk: string,
  timeoutS: number,
  signal: AbortSignal,
): Promise<DiskOperation> {
  const done = await settle(
    ctx,
    begun,
    {
      feed: operationFeed(begun.id),
      isSettled: isOver,
      phaseOf: ({ error }) => error ?? "",
      wordsOf: (operation) => progressWords(ctx, operation, disk),
      stillPending: (operation) =>
        new CliError(
          "still_pending",
          EXIT.pending,
          `${doing(operation, disk)} still goes on after ${exactDuration(timeoutS)}`,
          { hint: following(disk), extra: { operation } },
        ),
    },
    { timeoutS, signal },
  );
  if (done.state !== "failed") return done;
  throw new CliError("operation_failed", EXIT.error, `${doing(done, disk)} failed: ${done.error}`, {
    hint:
      done.new_disk_id === null
        ? `What was there before is still there. \`gpu-dev disk show ${disk}\` has what was done with it.`
        : "Nothing is left of the new disk, and what was there before is still there.",
    extra: { operation: done },
  });
}

const isOver = ({ state }: DiskOperation): boolean => state === "done" || state === "failed";

/** Operations have no events: they are asked for. */
const operationFeed = (id: string): Feed<DiskOperation> => ({
  path: `/v1/disk-operations/${id}`,
  take: () => undefined,
  ask: (ctx, signal) => ctx.api().getDiskOperation({ params: { id }, signal }),
  isOver,
});

const DOING: Readonly<Record<OperationKind, string>> = {
  create: "Creating",
  snapshot: "Taking a snapshot of",
  restore: "Restoring",
  clone: "Cloning",
  resize: "Resizing",
  purge: "Purging",
  measure: "Measuring",
};

const doing = ({ kind }: DiskOperation, disk: string): string => `${DOING[kind]} ${disk}`;

function progressWords(ctx: Context, operation: DiskOperation, disk: string): string {
  const trouble = operation.error === null ? "" : `; last try: ${operation.error}`;
  return `${doing(operation, disk)}${bar(operation)}${rate(ctx, operation)}${trouble}`;
}

/** " [#####...............] 1.2G of 4.7G"; nothing while nobody knows how much it is. */
function bar({ done_bytes: done, total_bytes: total }: DiskOperation): string {
  if (total === null || total === 0) return done === 0 ? "" : ` ${roundSize(done)}`;
  const full = Math.min(BAR, Math.floor((BAR * done) / total));
  return ` [${"#".repeat(full)}${".".repeat(BAR - full)}] ${roundSize(done)} of ${roundSize(total)}`;
}

function rate(ctx: Context, { done_bytes, started_at }: DiskOperation): string {
  const seconds = started_at === null ? 0 : (ctx.clock.now().getTime() - Date.parse(started_at)) / 1000;
  return seconds < 1 || done_bytes === 0 ? "" : `, ${roundSize(done_bytes / seconds)}/s`;
}

/** Labels and values of an operation. */
export function describeOperation(operation: DiskOperation): Output {
  const rows = [
    ["operation", operation.id],
    ["kind", operation.kind],
    ["state", operation.state],
    ["disk", operation.new_disk_id ?? operation.disk_id],
    ["snapshot", operation.snapshot_id ?? ""],
  ];
  return { json: operation, rows: rows.filter(([, value]) => value !== "") };
}
