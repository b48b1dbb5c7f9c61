/** The images that were built for users, on all hosts: each is on those where somebody reserved with it. */
import type { BuiltImages } from "../driver.ts";
import { BUILT, removeLeftovers } from "./build-leftovers.ts";
import { type Engine, EngineUnreachable, unlessUsed } from "./engine.ts";
import { LABEL, type Names } from "./names.ts";

/** What a build that failed left is there for the next try, for so long; no build goes on with what is older than it may take. */
const LEFT_S = 3600;

/** The name of such an image on its host. */
export const builtName = (names: Names, key: string): string => `${names.of(BUILT)}:${key}`;

/** `buildMaxS` is how long a build may take. */
export function builtOn(engines: readonly Engine[], names: Names, buildMaxS: number): BuiltImages {
  const olderThanS = Math.max(LEFT_S, buildMaxS);
  const pathOf = (key: string): string => `/images/${builtName(names, key)}`;
  return {
    has: async (key) =>
      (await onEach(engines, (engine) => engine.find(`${pathOf(key)}/json`))).every((found) => found),
    list: async () => [...new Set((await onEach(engines, (engine) => keysOn(engine, names))).flat())],
    remove: async (key) => void (await onEach(engines, (engine) => unlessUsed(engine, pathOf(key)))),
    removeLeftovers: async () =>
      void (await onEach(engines, (engine) => removeLeftovers(engine, names, { olderThanS }))),
  };
}

async function keysOn(engine: Engine, names: Names): Promise<string[]> {
  const query = { filters: names.filter(`${LABEL.part}=${BUILT}`) };
  const images = await engine.ask<{ RepoTags: string[] | null }[]>("GET", "/images/json", { query });
  const prefix = builtName(names, "");
  return images.flatMap(({ RepoTags }) =>
    (RepoTags ?? []).flatMap((tag) => (tag.startsWith(prefix) ? [tag.slice(prefix.length)] : [])),
  );
}

/** Done on all that can be asked: one that is away holds up no other, and is asked again another time. Throws when none can be. */
export async function onEach<T>(
  engines: readonly Engine[],
  work: (engine: Engine) => Promise<T>,
): Promise<T[]> {
  const done = await Promise.allSettled(engines.map(work));
  const faults: unknown[] = done.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  const worst = faults.find((fault) => !(fault instanceof EngineUnreachable));
  if (worst !== undefined || faults.length === engines.length) throw worst ?? faults[0];
  return done.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}
