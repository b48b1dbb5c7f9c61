/** `gpu-dev admin nodes`: the nodes, which of them get nothing new, and which are gone for good. */
import type { Node } from "../../../api/inventory.ts";
import { labelWords } from "../../../api/node-labels.ts";
import { defineCommand } from "../../command.ts";
import { rememberNames } from "../../completion/cache.ts";
import type { Context } from "../../context.ts";
import { checkDraining, drain, draining } from "../../drain.ts";
import { UsageError } from "../../errors.ts";
import { checkForgetting, forget, forgetting } from "../../forget.ts";
import { allPages } from "../../http/all-pages.ts";
import { eachOf } from "../../output/availability.ts";
import { toned } from "../../output/cell.ts";
import type { Cell, Output } from "../../output/output.ts";
import { ago } from "../../output/time.ts";

const ACTIONS = ["list", "cordon", "drain", "uncordon", "forget"] as const;

export const command = defineCommand({
  arguments: [
    {
      name: "action",
      summary: "cordon, drain, uncordon or forget; without it, all nodes are listed",
      completes: ACTIONS,
    },
    { name: "node", summary: "The node's name", completes: "nodes" },
  ],
  options: { ...draining, ...forgetting },
  details:
    "drain cordons the node, and says who is on it until when; with --wait it ends when nobody is any more. A cordoned node gets nothing new; what runs there goes on to its end. It stays cordoned over restarts, also while its driver does not report it. forget gives up a node that is gone for good: what ran there ends as failed, its GPUs are held no longer, and its disks are lost, of which their owners are told. It is refused for a node that answers, or answered within the last two minutes; --dry-run lists what would be given up. For administrators.",
  examples: [
    {
      line: "gpu-dev admin nodes",
      meaning: "The nodes, what they have, and how many reservations are there",
    },
    {
      line: "gpu-dev admin nodes cordon gpu-host-1",
      meaning: "Nothing new is placed there, before maintenance",
    },
    {
      line: "gpu-dev admin nodes drain gpu-host-1 --wait",
      meaning: "The same, and waits until the last reservation there has ended",
    },
    { line: "gpu-dev admin nodes uncordon gpu-host-1", meaning: "It takes part again" },
    {
      line: "gpu-dev admin nodes forget gpu-host-3 --dry-run",
      meaning: "Its machine burnt: who loses what",
    },
    {
      line: "gpu-dev admin nodes forget gpu-host-3 --yes",
      meaning: "Gives all of that up, without a question",
    },
  ],
  async run([action = "list", node], given, ctx): Promise<Output> {
    if (action !== "drain") checkDraining(given);
    if (action !== "forget") checkForgetting(given);
    if (action === "drain") return drain(ctx, named(node), given);
    if (action === "forget") return forget(ctx, named(node), given);
    const page = action === "list" ? await allPages((query) => ctx.api().listNodes({ query })) : undefined;
    const items = page?.items ?? [await change(ctx, action, node)];
    if (page) rememberNames(ctx, { nodes: page.items.map(({ name }) => name) });
    const now = ctx.clock.now();
    for (const [fault, nodes] of Map.groupBy(items, (item) => item.fault))
      if (fault) ctx.say(`${eachOf(nodes)} is not healthy: ${fault}`);
    return {
      json: page ?? items[0],
      header: ["NODE", "STATE", "SINCE", "TYPES", "RESERVATIONS", "LABELS"],
      spare: ["LABELS"],
      rows: items.map((item) => row(item, now)),
      empty: "The server knows no nodes at the moment; `gpu-dev status` says how it is.",
    };
  },
});

function change(ctx: Context, action: string, node: string | undefined): Promise<Node> {
  if (!ACTIONS.some((one) => one === action))
    throw new UsageError(`${JSON.stringify(action)} is none of ${ACTIONS.join(", ")}`);
  const params = { node: named(node) };
  return action === "cordon" ? ctx.api().cordonNode({ params }) : ctx.api().uncordonNode({ params });
}

function named(node: string | undefined): string {
  if (node !== undefined) return node;
  throw new UsageError("missing required argument 'node'", "`gpu-dev admin nodes` lists them.");
}

function stateOf(node: Node): Cell {
  if (node.cordoned_at !== null) return toned("cordoned", "warn");
  return node.healthy ? toned("open", "good") : toned("unhealthy", "bad");
}

const row = (node: Node, now: Date): Cell[] => [
  node.name,
  stateOf(node),
  ago(node.cordoned_at ?? node.unhealthy_since ?? null, now),
  node.gpu_types
    .map(({ name, places, simulated }) => `${places} × ${name}${simulated ? " (simulated)" : ""}`)
    .join(", "),
  String(node.reservations),
  // A server of before has none.
  labelWords(node.labels ?? {}),
];
