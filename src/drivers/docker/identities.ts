/**
 * That no two hosts of the configuration are one and the same engine, under two URLs: each of its GPUs would be given twice, and its
 * disks would be strays to each other. Engines say who they are; podman's says something else each time, and is not known again.
 */
import { DriverError } from "../driver.ts";

/** Until one of them is left out, the one that was known first is used alone. */
export class SameEngine extends DriverError {}

export class Identities {
  /** By node, what its engine said last. */
  readonly #ids = new Map<string, string>();

  /** Throws SameEngine when another node has said so. */
  claim(node: string, id: string): void {
    const other = [...this.#ids].find(([name, known]) => name !== node && known === id)?.[0];
    if (other === undefined) this.#ids.set(node, id);
    else throw new SameEngine(wordsOf([node, other].sort(), id));
  }
}

const wordsOf = ([one, other]: readonly string[], id: string): string =>
  `the Docker hosts ${one} and ${other} are one and the same engine (ID ${id}), whose GPUs would be given twice: leave one of them out; ` +
  "if one machine is a copy of the other, remove engine-id from the data directory of its Docker (/var/lib/docker) and restart it";
