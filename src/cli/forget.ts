/** Giving up a node that is gone for good: what goes with it is told, then asked for, then done. */
import type { NodeLosses } from "../api/inventory.ts";
import type { Values } from "./command.ts";
import { agree } from "./consent.ts";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { flag } from "./options.ts";
import { toned } from "./output/cell.ts";
import type { Cell, Output } from "./output/output.ts";

export const forgetting = {
  dryRun: flag("--dry-run", "With forget: only show what it would give up"),
  yes: flag("-y, --yes", "With forget: do not ask"),
};
type Given = Values<typeof forgetting>;

/** Throws UsageError where there is nothing to ask about. */
export function checkForgetting({ dryRun, yes }: Given): void {
  if (dryRun || yes) throw new UsageError("--dry-run and --yes are for forget");
}

/** Throws Problem not_found, node_answers; and as agree does. */
export async function forget(ctx: Context, name: string, { dryRun, yes }: Given): Promise<Output> {
  const foreseen = await ctx.api().getNodeLosses({ params: { node: name } });
  const { node } = foreseen;
  if (dryRun) {
    ctx.say(`Forgetting ${node} would give up ${countWords(foreseen)}; nothing was changed.`);
    return lossesOutput(foreseen);
  }
  if (!yes) for (const loss of lossesOf(foreseen)) ctx.say(lossWords(loss));
  await agree(ctx, yes, `Forget ${node} for good, and give up ${countWords(foreseen)}?`);
  const losses = await ctx.api().forgetNode({ params: { node } });
  ctx.say(`${node} is forgotten, and ${countWords(losses)} with it.`);
  if (losses.configured)
    ctx.say(`It is still in the server's configuration: take it out, and restart every server.`);
  return lossesOutput(losses);
}

interface Loss {
  readonly kind: "reservation" | "disk";
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly becomes: string;
}

const lossesOf = ({ reservations, disks }: NodeLosses): Loss[] => [
  ...reservations.map((one) => ({ ...one, kind: "reservation" as const, name: one.name ?? one.id })),
  ...disks.map((one) => ({ ...one, kind: "disk" as const })),
];

const lossWords = ({ kind, name, owner, becomes }: Loss): string => `${kind} ${name} of ${owner}: ${becomes}`;

/** Other nodes on the same machine go with it. */
function countWords({ nodes, reservations, disks }: NodeLosses): string {
  const also = nodes.length > 1 ? `${counted(nodes.length, "node")}, ` : "";
  return `${also}${counted(reservations.length, "reservation")} and ${counted(disks.length, "disk")}`;
}

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

const lossesOutput = (losses: NodeLosses): Output => ({
  json: losses,
  header: ["WHAT", "NAME", "OWNER", "BECOMES", "ID"],
  spare: ["ID"],
  rows: lossesOf(losses).map(row),
  empty: `Nothing was left on ${losses.node}.`,
});

const row = ({ kind, name, owner, becomes, id }: Loss): Cell[] => [
  kind,
  name,
  owner,
  toned(becomes, becomes === "queued" ? "warn" : "bad"),
  id,
];
