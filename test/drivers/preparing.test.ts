/** What is being done for a pod that is told to end. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { whileNeeded } from "../../src/drivers/docker/preparing.ts";

const failing = async (): Promise<never> => {
  await nextTurn();
  throw new Error("the engine is away");
};

test.for([
  ["before", true],
  ["while", false],
] as const)(
  "L-17 work whose pod is told to end %s it begins is not waited for, and its failure ends no server",
  async ([, early]) => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    onTestFinished(() => void process.off("unhandledRejection", note));
    const stop = new AbortController();
    if (early) stop.abort(new Error("told to end"));
    const waiting = expect(whileNeeded(stop, failing())).rejects.toThrow("told to end");
    stop.abort(new Error("told to end"));
    await waiting;
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(unhandled).toEqual([]);
  },
);
