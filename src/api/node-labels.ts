/** Labels of nodes: what the operator says of each, and what a reservation may ask its nodes to have. */

/** Without zod, since the command line reads them too. */
export const LABEL_KEY = /^[a-z0-9](?:[a-z0-9./_-]{0,61}[a-z0-9])?$/;
export const LABEL_VALUE = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
export const LABEL_FORMS =
  "KEY=VALUE such as zone=a: a key has a-z, 0-9 and inner . / _ -, a value letters, digits and inner . _ -, each at most 63";
/** More tell no node from another. */
export const MAX_LABELS = 32;

export type NodeLabels = Readonly<Record<string, string>>;

/** Key and value; undefined for what is no label. */
export function parseLabel(text: string): readonly [key: string, value: string] | undefined {
  const [, key = "", value = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  return LABEL_KEY.test(key) && LABEL_VALUE.test(value) ? [key, value] : undefined;
}

export const labelWords = (labels: NodeLabels): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");

/** Whether a node with `labels` has all that are wanted. */
export const hasLabels = (labels: NodeLabels, wanted: NodeLabels): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);
