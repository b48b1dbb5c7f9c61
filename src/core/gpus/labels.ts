/** Labels of nodes as they are stored, and the check that a reservation asks for some that there are. */
import { Problem } from "../../api/errors.ts";
import { hasLabels, labelWords, type NodeLabels } from "../../api/node-labels.ts";
import { listCapacity } from "../../store/capacity.ts";
import type { CapacityRow } from "../../store/gpu-tables.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";

/** In the order of the keys, so that the same labels are the same text; null for none. */
export function labelsText(labels: NodeLabels = {}): string | null {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? null : JSON.stringify(Object.fromEntries(entries));
}

/** Throws for a column that holds something else. */
export function labelsOf(text: string | null): NodeLabels {
  const labels: unknown = text === null ? {} : JSON.parse(text);
  if (typeof labels === "object" && labels && Object.values(labels).every((one) => typeof one === "string"))
    return labels as NodeLabels;
  throw new Error("a column of labels holds something else");
}

/** By key, the values that these nodes have. */
export function labelValues(offers: readonly Pick<CapacityRow, "labels">[]): Record<string, string[]> {
  const all = offers.flatMap(({ labels }) => Object.entries(labelsOf(labels)));
  const keys = [...Map.groupBy(all, ([key]) => key)].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    keys.map(([key, of]) => [key, [...new Set(of.map(([, value]) => value))].sort()]),
  );
}

/** Throws Problem impossible_request when too few nodes that have the labels could ever hold it. */
export async function requireLabels(
  db: Db,
  {
    gpu_type,
    places,
    node_count,
    node_labels,
  }: Pick<ReservationRow, "gpu_type" | "places" | "node_count" | "node_labels">,
): Promise<void> {
  const wanted = labelsOf(node_labels);
  const offers = await listCapacity(db, gpu_type);
  const having = offers.filter((offer) => hasLabels(labelsOf(offer.labels), wanted));
  if (having.filter((offer) => offer.places >= places).length >= node_count) return;
  const words = labelWords(wanted);
  const detail =
    having.length === 0
      ? `no node with ${gpu_type} has ${words}`
      : `of the nodes with ${gpu_type} that have ${words}, ${having.length} in all, too few have ${places}`;
  throw new Problem("impossible_request", `node_labels: ${detail}`, {
    hint: knownWords(offers),
    errors: [{ field: "node_labels", code: "impossible", detail }],
  });
}

const MOST_SHOWN = 20;

function knownWords(offers: readonly CapacityRow[]): string {
  const known = Object.entries(labelValues(offers)).flatMap(([key, values]) =>
    values.map((value) => `${key}=${value}`),
  );
  if (known.length === 0) return "its nodes have no labels; leave them out";
  const more = known.length > MOST_SHOWN ? ", …" : "";
  return `there are: ${known.slice(0, MOST_SHOWN).join(", ")}${more}`;
}
