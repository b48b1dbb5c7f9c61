/** Things that go wrong for a while: logged when that begins and when it is over, not each time (O-04). */
import { Recent } from "../api/recent.ts";
import type { Log } from "./core.ts";

/** Some are of one pod or one disk, of which nobody may ever say that it is over. One that is forgotten is logged once more. */
const MAX_FAILING = 1000;

export interface Conditions {
  /** What `work` gives; undefined when it failed, which is then logged as `message` unless it failed before as well. */
  watch<T>(key: string, message: string, work: () => Promise<T>): Promise<T | undefined>;
}

export function createConditions(log: Log): Conditions {
  const failing = new Recent(MAX_FAILING);
  return {
    async watch(key, message, work) {
      try {
        const result = await work();
        if (failing.delete(key)) log("info", { condition: key }, `over: ${message}`);
        return result;
      } catch (error) {
        if (!failing.has(key)) log("error", { condition: key, err: error }, message);
        failing.set(key, true);
        return undefined;
      }
    },
  };
}
