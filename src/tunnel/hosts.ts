/** The host names of pods; only what parses here is ever asked for (T-03). */
import { isId } from "../api/names.ts";

export type Target =
  /** `<id>.<domain>` or `<id>-<n>.<domain>`. */
  | { readonly kind: "pod"; readonly id: string; readonly node: number }
  /** `gpu-dev-<id8>.<domain>`, to be resolved among the caller's own. */
  | { readonly kind: "alias"; readonly id8: string };

/** RFC 1035, section 2.3.4, without the root's dot. */
const MAX_NAME = 253;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const NODE = /^(.{20})-(0|[1-9][0-9]{0,3})$/;
const ALIAS = /^gpu-dev-([a-z][a-z2-7]{7})$/;

/** What `host` means below `domain`; undefined for every other name. Case and one trailing dot do not count. */
export function parseHost(host: string, domain: string): Target | undefined {
  const labels = labelsOf(host);
  const base = labelsOf(domain);
  if (!labels || !base || labels.length !== base.length + 1) return undefined;
  const [first = "", ...rest] = labels;
  return rest.every((label, i) => label === base[i]) ? parseLabel(first) : undefined;
}

function labelsOf(name: string): string[] | undefined {
  // Checked before folding case: some letters outside of ASCII fold to letters inside.
  if (!/^[A-Za-z0-9.-]+$/.test(name)) return undefined;
  const plain = name.toLowerCase().replace(/\.$/, "");
  const labels = plain.split(".");
  return plain.length <= MAX_NAME && labels.every((label) => LABEL.test(label)) ? labels : undefined;
}

function parseLabel(label: string): Target | undefined {
  const alias = ALIAS.exec(label)?.[1];
  if (alias !== undefined) return { kind: "alias", id8: alias };
  if (isId(label)) return { kind: "pod", id: label, node: 0 };
  const [, id = "", node = ""] = NODE.exec(label) ?? [];
  return isId(id) ? { kind: "pod", id, node: Number(node) } : undefined;
}
