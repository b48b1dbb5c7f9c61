/** Which nodes a reservation may be on, by labels that they have to have. */
import type { Availability } from "../api/inventory.ts";
import { LABEL_FORMS, parseLabel } from "../api/node-labels.ts";
import type { CreateReservation } from "../api/reservations.ts";
import { UsageError } from "./errors.ts";
import { repeated } from "./options.ts";

export const nodeLabelOption = repeated(
  "--node-label <KEY=VALUE>",
  "Only on a node with this label, as `gpu-dev avail --json` lists them; repeatable: with all of them",
  (given) => {
    if (parseLabel(given)) return given;
    throw new UsageError(`${JSON.stringify(given)} is no label of a node`, `Write ${LABEL_FORMS}.`);
  },
  "node-labels",
);

/** Each as it is typed, of all that some types' nodes have. */
export const typedLabels = (types: readonly Pick<Availability, "node_labels">[]): string[] => [
  ...new Set(
    types.flatMap(({ node_labels }) =>
      // A server of before has none.
      Object.entries(node_labels ?? {}).flatMap(([key, values]) => values.map((value) => `${key}=${value}`)),
    ),
  ),
];

/** As the request has them. Throws UsageError for a key with two values, which no node has. */
export function nodeLabelsOf(given: readonly string[] = []): Pick<CreateReservation, "node_labels"> {
  const labels = new Map<string, string>();
  for (const [key, value] of given.flatMap((text) => asList(parseLabel(text)))) {
    const other = labels.get(key) ?? value;
    if (other !== value) throw new UsageError(`a node has one ${key}: it cannot be ${other} and ${value}`);
    labels.set(key, value);
  }
  return given.length === 0 ? {} : { node_labels: Object.fromEntries(labels) };
}

const asList = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);
