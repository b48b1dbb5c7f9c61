/** `--fields`: of a list those of each item, else those of the document itself. */

type Fields = Readonly<Record<string, unknown>>;

/** What is left of `json`, in the order of `fields`; what an item does not have is left out. */
export function pick(json: unknown, fields: readonly string[] | undefined): unknown {
  if (fields === undefined || !isObject(json)) return json;
  if (!Array.isArray(json.items)) return picked(json, fields);
  return { items: json.items.map((item: unknown) => (isObject(item) ? picked(item, fields) : item)) };
}

const isObject = (json: unknown): json is Fields =>
  typeof json === "object" && json !== null && !Array.isArray(json);

const picked = (from: Fields, fields: readonly string[]): Fields =>
  Object.fromEntries(
    fields.filter((field) => Object.hasOwn(from, field)).map((field) => [field, from[field]]),
  );
