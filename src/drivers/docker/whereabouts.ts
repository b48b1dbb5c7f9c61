/** Where the pods of several hosts are: asked of their engines, each time. */

import { Recent } from "../../api/recent.ts";
import { DriverError, type PodList } from "../driver.ts";
import { wordsOf } from "../local/asking.ts";
import { type Container, findContainer, isAlive, listPods } from "./container.ts";
import type { DockerHost } from "./host.ts";
import type { Names } from "./names.ts";

/** A pod's container and where it is. */
export interface Found {
  readonly host: DockerHost;
  readonly container: Container;
}

export class Whereabouts {
  readonly #names: Names;
  readonly #hosts: readonly DockerHost[];
  /** Where pods were seen, so that the other hosts need not be asked. */
  readonly #seen = new Recent<DockerHost>();

  constructor(names: Names, hosts: readonly DockerHost[]) {
    this.#names = names;
    this.#hosts = hosts;
  }

  see(pod: string, host: DockerHost): void {
    this.#seen.set(pod, host);
  }

  forget(pod: string): void {
    this.#seen.delete(pod);
  }

  /**
   * With the node that it was placed on, only that one's host says whether it is there: what others do, or that they are away, is none of
   * its business. Else throws when it is not found and not all hosts can be asked: it may be there.
   */
  async find(pod: string, node?: string): Promise<Found | undefined> {
    const seen = this.#seen.get(pod);
    const there = seen && (await this.#look(pod, seen));
    if (there) return there;
    const placed = this.#hosts.filter((host) => node !== undefined && host.has(node));
    const hosts = placed.length > 0 ? placed : this.#hosts;
    const found = await firstFound(hosts.map((host) => this.#look(pod, host)));
    if (found) this.see(pod, found.host);
    return found;
  }

  /** Throws DriverError when it does not run. */
  async alive(pod: string): Promise<Found> {
    const found = await this.find(pod);
    if (found && isAlive(found.container)) return found;
    throw new DriverError(`the pod ${pod} does not run`);
  }

  /** Throws when no host can be asked. */
  async list(): Promise<PodList> {
    const asked = await Promise.allSettled(this.#hosts.map((host) => this.#listOn(host)));
    if (asked.every(({ status }) => status === "rejected")) throw (asked[0] as PromiseRejectedResult).reason;
    return {
      pods: asked.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : [])),
      unasked: this.#hosts.flatMap(({ node, engine }, i) => {
        const answer = asked[i];
        return answer?.status === "rejected"
          ? [{ host: node, why: engine.fault ?? wordsOf(answer.reason) }]
          : [];
      }),
    };
  }

  async #listOn(host: DockerHost): Promise<string[]> {
    const pods = await listPods(host.engine, this.#names);
    for (const pod of pods) this.see(pod, host);
    return pods;
  }

  async #look(pod: string, host: DockerHost): Promise<Found | undefined> {
    const container = await findContainer(host.engine, this.#names, pod);
    return container && { host, container };
  }
}

/** The first that is found, without waiting for the others; undefined when all say no. Throws when none is found and some cannot say. */
async function firstFound<T>(looks: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  const found = looks.map(async (look) => (await look) ?? Promise.reject(NOT_HERE));
  try {
    return await Promise.any(found);
  } catch (error) {
    const failed = (error as AggregateError).errors.find((reason) => reason !== NOT_HERE);
    if (failed !== undefined) throw failed;
    return undefined;
  }
}

const NOT_HERE = new Error("it is not here");
