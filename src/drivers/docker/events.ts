/** What an engine tells of its containers as it happens: GET /events, a line of JSON for each event. */
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { DriverError } from "../driver.ts";
import { listPods } from "./container.ts";
import type { Engine } from "./engine.ts";
import { LABEL, type Names } from "./names.ts";

export interface EventOptions {
  readonly engine: Engine;
  readonly names: Names;
  /** A pod that may be in another state than before. */
  changed(pod: string): void;
  /** Told why when the events are not heard any more, once, and undefined when they are heard again. */
  trouble(fault: unknown): void;
}

/** A connection whose other end is gone is as silent as one on which nothing happens: now and then it is made anew. */
const LONGEST_MS = 5 * 60_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** In Docker's words, and in podman's. */
const ENDS = ["die", "died", "oom", "destroy", "remove"];

/** Listens until `signal`, over every break; resolves then. */
export async function listenToEvents(options: EventOptions, signal: AbortSignal): Promise<void> {
  let failures = 0;
  const heard = (): void => {
    if (failures > 0) options.trouble(undefined);
    failures = 0;
  };
  while (!signal.aborted) {
    const turn = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]);
    try {
      if (failures > 0) await pause(pauseAfter(failures), undefined, { signal: turn });
      await listenOnce(options, turn, failures > 0, heard);
    } catch (error) {
      if (turn.aborted) continue;
      if (failures === 0) options.trouble(error);
      failures += 1;
    }
  }
}

const pauseAfter = (failures: number): number => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);

/** Never resolves: what ends it is thrown. */
async function listenOnce(
  options: EventOptions,
  signal: AbortSignal,
  wasAway: boolean,
  heard: () => void,
): Promise<never> {
  const { engine, names, changed } = options;
  const filters = names.filterBy({ type: ["container"], event: ENDS }, LABEL.pod);
  const response = await engine.open("GET", "/events", { query: { filters }, signal });
  heard();
  try {
    await Promise.all([tellMissed(options, wasAway), tellEvents(response, changed)]);
  } finally {
    response.destroy();
  }
  throw new DriverError("the Docker Engine ended its events");
}

/** Tells of the pods that ended while nobody listened; after the engine was away of all, since who could not ask about them waits to try again. */
async function tellMissed({ engine, names, changed }: EventOptions, wasAway: boolean): Promise<void> {
  for (const pod of await listPods(engine, names, wasAway ? undefined : "exited")) changed(pod);
}

async function tellEvents(events: Readable, changed: (pod: string) => void): Promise<void> {
  let rest = "";
  for await (const text of events.setEncoding("utf8")) {
    const lines = (rest + String(text)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((one) => one.trim() !== "")) {
      const pod = podIn(line);
      if (pod !== undefined) changed(pod);
    }
  }
}

/** The labels of a container are among the attributes of its events. */
function podIn(line: string): string | undefined {
  const { Actor } = JSON.parse(line) as { Actor?: { Attributes?: Readonly<Record<string, string>> } };
  return Actor?.Attributes?.[LABEL.pod] || undefined;
}
