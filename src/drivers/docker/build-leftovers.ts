/** What builds made that came to no image: an engine keeps it, and takes it for steps that are the same again. */
import { type Engine, unlessStatus } from "./engine.ts";
import { LABEL, type Names } from "./names.ts";

/** What the parts of an image that is built are called. */
export const BUILT = "built";

export interface Leftovers {
  /** Of this user's builds; default: of all. */
  readonly owner?: string;
  /** By the first 12 digits of their ids. */
  readonly except?: ReadonlySet<string>;
  readonly olderThanS?: number;
}

/** Takes it away, but for what a step that runs begins with. Throws DriverError. */
export async function removeLeftovers(
  engine: Engine,
  names: Names,
  { owner, except = new Set(), olderThanS = 0 }: Leftovers,
): Promise<void> {
  const labels = [`${LABEL.part}=${BUILT}`, ...(owner === undefined ? [] : [`${LABEL.builder}=${owner}`])];
  const query = { filters: names.filterBy({ dangling: ["true"] }, ...labels) };
  const left = await engine.ask<{ Id: string; Created: number }[]>("GET", "/images/json", { query });
  for (const { Id, Created } of left)
    if (!except.has(Id.replace("sha256:", "").slice(0, 12)) && Created <= Date.now() / 1000 - olderThanS)
      await unlessStatus(404, unlessStatus(409, engine.ask("DELETE", `/images/${Id}`)));
}
