/** Names and ids: the one rule that command line and server both check (no dependency, so that the start path stays lean). */

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const ID = /^[a-z][a-z2-7]{19}$/;

/** Ids are 20 characters of lower-case base32, the first a letter. */
export const isId = (text: string): boolean => ID.test(text);

/** The first eight characters of an id, as in `gpu-dev-<id8>`. */
export const id8 = (id: string): string => id.slice(0, 8);

/** Why `name` cannot be a GitHub user's; undefined when it can. */
export function githubNameFault(name: string): string | undefined {
  if (name === "") return "a name needs at least one character";
  const bad = [...name].find((c) => !/[a-z0-9-]/i.test(c));
  if (bad !== undefined) return `${JSON.stringify(bad)} is not allowed; GitHub has letters, digits and "-"`;
  if (name.length > 39) return `${name.length} characters are too many; at most 39`;
  return /^-|--|-$/.test(name) ? '"-" stands neither at an end nor twice in a row' : undefined;
}

/** Actors of the audit trail who are no users. */
const NOBODY: readonly string[] = ["system", "pod", "anonymous"];

/** Why `name` cannot be a user's; undefined when it can. Addresses of mail are names, so that logins need no second one. */
export function userNameFault(name: string): string | undefined {
  if (name === "") return "a name needs at least one character";
  const bad = [...name].find((c) => !/[a-z0-9._@+-]/.test(c));
  if (bad !== undefined) return `${JSON.stringify(bad)} is not allowed; use a-z, 0-9 and . _ @ + -`;
  if (name.length > 100) return `${name.length} characters are too many; at most 100`;
  if (!/^[a-z0-9](?:.*[a-z0-9])?$/.test(name)) return "a name starts and ends with a letter or digit";
  return NOBODY.includes(name) ? "the audit trail means nobody by that" : undefined;
}

/** Why `name` cannot be the name of a reservation or a disk, with a name that could; undefined when it can. */
export function nameFault(name: string): { detail: string; suggestion: string | undefined } | undefined {
  if (NAME.test(name)) return undefined;
  const suggestion = suggestName(name);
  return { detail: describeFault(name), suggestion };
}

function describeFault(name: string): string {
  if (name === "") return "a name needs at least one character";
  const bad = [...name].find((c) => !/[a-z0-9-]/.test(c));
  if (bad !== undefined) return `${JSON.stringify(bad)} is not allowed; use a-z, 0-9 and "-"`;
  if (name.length > 63) return `${name.length} characters are too many; at most 63`;
  return 'a name starts and ends with a letter or digit, not "-"';
}

function suggestName(name: string): string | undefined {
  const made = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
  return made === "" ? undefined : made;
}
