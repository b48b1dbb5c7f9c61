/** Which nodes a reservation may be on, by labels that they have to have. */
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
);

/** As the request has them. Throws UsageError for a key with two values, which no node has. */
export function nodeLabelsOf(given: readonly string[] = []): Pick<CreateReservation, "node_labels"> {
  const labels: Record<string, string> = {};
  for (const [key, value] of given.flatMap((text) => asList(parseLabel(text)))) {
    if ((labels[key] ?? value) !== value)
      throw new UsageError(`a node has one ${key}: it cannot be ${labels[key]} and ${value}`);
    labels[key] = value;
  }
  return given.length === 0 ? {} : { node_labels: labels };
}

const asList = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);
