/** Draining a node: it gets nothing new, and who is on it is told, or waited for. Ctrl-C stops the waiting only. */
import { exactDuration } from "../api/duration.ts";
import { EXIT } from "../api/errors.ts";
import type { NodeHolder } from "../api/inventory.ts";
import type { Page } from "../api/schemas.ts";
import type { Values } from "./command.ts";
import type { Context } from "./context.ts";
import { CliError, failureOf, UsageError } from "./errors.ts";
import { allPages } from "./http/all-pages.ts";
import { duration, flag, parsed } from "./options.ts";
import type { Output } from "./output/output.ts";
import { stateCell } from "./output/reservation.ts";
import { until } from "./output/time.ts";

const DEFAULT_TIMEOUT_S = 24 * 3600;
/** Nobody is in a hurry: what is waited for takes hours. */
const PAUSE_MS = 5000;

export const draining = {
  wait: flag("--wait", "With drain: wait until nobody is on it any more"),
  timeout: parsed(
    "--timeout <DURATION>",
    "With --wait: stop waiting after this (exit 8; default: 24h)",
    duration,
  ),
};
type Given = Values<typeof draining>;

/** Throws UsageError where there is nothing to wait for. */
export function checkDraining({ wait, timeout }: Given): void {
  if (wait || timeout !== undefined) throw new UsageError("--wait and --timeout are for drain");
}

/** Throws CliError `still_pending` and `interrupted`. */
export async function drain(ctx: Context, node: string, { wait, timeout }: Given): Promise<Output> {
  if (timeout !== undefined && !wait) throw new UsageError("--timeout needs --wait");
  await ctx.api().cordonNode({ params: { node } });
  const page = wait
    ? await waitUntilEmpty(ctx, node, timeout ?? DEFAULT_TIMEOUT_S)
    : await listHolders(ctx, node);
  const now = ctx.clock.now();
  return {
    json: page,
    header: ["ID", "NAME", "OWNER", "STATE", "HOLDS", "GONE"],
    rows: page.items.map((one) => [
      one.id,
      one.name ?? "",
      one.owner,
      stateCell(one),
      String(one.places),
      one.gone_by === null ? "unknown" : until(one.gone_by, now),
    ]),
    empty: `Nobody is on ${node}; it gets nothing new.`,
  };
}

const listHolders = (ctx: Context, node: string): Promise<Page<NodeHolder>> =>
  allPages((query) => ctx.api().listNodeHolders({ params: { node }, query }));

async function waitUntilEmpty(ctx: Context, node: string, timeoutS: number): Promise<Page<NodeHolder>> {
  const interrupt = ctx.watchInterrupt();
  const end = ctx.clock.now().getTime() + timeoutS * 1000;
  let told = -1;
  try {
    for (;;) {
      const isOver = ctx.clock.now().getTime() >= end;
      const page = await listHolders(ctx, node).catch((error) => unlessAway(error, isOver));
      const left = page?.items.length ?? told;
      if (page && left === 0) return page;
      if (left !== told)
        ctx.say(`${node}: ${left} ${left === 1 ? "reservation is" : "reservations are"} still there`);
      told = left;
      if (page && isOver) throw stillThere(node, page.items, timeoutS);
      await ctx.clock.sleep(PAUSE_MS, interrupt.signal);
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError("interrupted", EXIT.interrupted, "Interrupted", {
      hint: `${node} stays closed; \`gpu-dev admin nodes uncordon ${node}\` opens it.`,
    });
  } finally {
    interrupt.stop();
  }
}

/** A wait of hours goes on when the server is away for a while. */
function unlessAway(error: unknown, isOver: boolean): undefined {
  if (isOver || failureOf(error).exit !== EXIT.tryLater) throw error;
}

const stillThere = (node: string, items: readonly NodeHolder[], timeoutS: number): CliError =>
  new CliError("still_pending", EXIT.pending, `${node} is still in use after ${exactDuration(timeoutS)}`, {
    hint: `It stays closed. \`gpu-dev admin nodes drain ${node}\` says who is on it.`,
    extra: { items },
  });
