/** Launches that take longer than a caller waits: an image has to come. They go on by themselves, and are told of by the pod's state. */
import { setTimeout as pause } from "node:timers/promises";
import { Recent } from "../../api/recent.ts";
import type { Later } from "../driver.ts";
import type { Preparing } from "./preparing.ts";

/** A launch is told as accepted after this. */
const ACCEPTED_MS = 3000;

interface Launch {
  note(line: string): void;
  work(preparing: Preparing): Promise<void>;
  readonly later?: Later | undefined;
}

interface Job {
  reason: string;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

export class Launches {
  readonly #jobs = new Map<string, Job>();
  /** Of those whose caller had gone: told to the next one. */
  readonly #failures = new Recent<unknown>();

  /** Resolves when it is done, or goes on, which `later` is told; throws what this one, or the one that went on before, threw. */
  async start(pod: string, launch: Launch): Promise<void> {
    const failure = this.#failures.get(pod);
    if (this.#failures.delete(pod)) throw failure;
    const job = this.#jobs.get(pod) ?? this.#begin(pod, launch);
    const waiting = new AbortController();
    const outcome = await Promise.race([
      job.done.then(
        () => ({ over: true }),
        (error: unknown) => ({ over: true, error }),
      ),
      pause(ACCEPTED_MS, { over: false }, { signal: waiting.signal, ref: false }),
    ]);
    waiting.abort();
    if (!outcome.over) return launch.later?.(job.done);
    this.#failures.delete(pod);
    if ("error" in outcome) throw outcome.error;
  }

  #begin(pod: string, { note, work }: Launch): Job {
    const stop = new AbortController();
    const say = (reason: string): void => {
      job.reason = reason;
    };
    const done = Promise.resolve()
      .then(() => work({ say, note, signal: stop.signal }))
      .finally(() => this.#jobs.delete(pod));
    const job: Job = { reason: "it is being set up", stop, done };
    this.#jobs.set(pod, job);
    done.catch((error: unknown) => {
      if (!stop.signal.aborted) this.#failures.set(pod, error);
    });
    return job;
  }

  /** What is being done for a pod that is not there yet; undefined when nothing is. */
  reason(pod: string): string | undefined {
    return this.#jobs.get(pod)?.reason;
  }

  /** Resolves when nothing is done for it any more. */
  async stop(pod: string): Promise<void> {
    const job = this.#jobs.get(pod);
    job?.stop.abort();
    await job?.done.catch(() => undefined);
    this.#failures.delete(pod);
  }

  /** The same for all. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#jobs.keys()].map((pod) => this.stop(pod)));
  }
}
