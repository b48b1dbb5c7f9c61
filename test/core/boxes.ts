/** Two hosts with disks of their own, of which the second can be taken away. */
import type { DiskHosts } from "../../src/drivers/disks.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import type { TestDatabase } from "../helpers/engines.ts";
import { createFakeDisks, type FakeDisks } from "../helpers/fake-disks.ts";
import { createFakeDriver, type FakePod, h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World } from "./world.ts";

/** The second has more room and fewer GPUs. */
export class Boxes implements DiskHosts {
  readonly names = ["box1", "box2"];
  readonly box1 = createFakeDisks();
  readonly box2 = createFakeDisks();
  readonly limits = this.box1.limits;

  constructor() {
    this.box1.free = 10;
    this.box2.free = 20;
  }

  on(host: string | null): FakeDisks {
    if (host === "box1" || host === "box2") return this[host];
    throw new DriverError("there is no such host");
  }
}

export interface BoxWorld extends World {
  readonly boxes: Boxes;
  /** box2 answers nothing any more; what runs there goes on. */
  takeAway(): void;
  /** It answers, with what is left there. */
  bringBack(): void;
}

/** Its reconciler is not at work yet. */
export async function makeBoxWorld(database: TestDatabase): Promise<BoxWorld> {
  const boxes = new Boxes();
  const nodes = [h100(4, "box1"), h100(2, "box2")].map((node) => ({ ...node, host: node.node }));
  const driver = createFakeDriver(nodes);
  const world = await makeWorld(database, { driver, parts: { disks: boxes } });
  const unheard = new Map<string, FakePod>();
  const silence = new DriverError("no answer in time");
  driver.before = async (_verb, name) => {
    if (unheard.has(name)) throw silence;
  };
  return Object.assign(world, {
    boxes,
    takeAway() {
      for (const [name, pod] of driver.pods)
        if (pod.spec.node === "box2" && driver.pods.delete(name)) unheard.set(name, pod);
      driver.nodes = nodes.map((node) => ({ ...node, healthy: node.host !== "box2" }));
      driver.unasked = [{ host: "box2", why: silence.message }];
      boxes.box2.before = () => Promise.reject(silence);
    },
    bringBack() {
      for (const [name, pod] of unheard) driver.pods.set(name, pod);
      unheard.clear();
      driver.nodes = nodes;
      driver.unasked = [];
      boxes.box2.before = undefined;
    },
  });
}
