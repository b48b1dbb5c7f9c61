import { pino } from "pino";
import { expect, test } from "vitest";
import { Shutdown } from "../../src/server/shutdown.ts";

const logger = (lines: string[]) => pino({ base: null }, { write: (line: string) => lines.push(line) });

test("L-17 parts are closed the last first; one that hangs or fails does not keep the others open", async () => {
  const closed: string[] = [];
  const lines: string[] = [];
  const shutdown = new Shutdown();
  shutdown.add("store", 1000, () => closed.push("store"));
  shutdown.add("driver", 10, () => new Promise(() => undefined));
  shutdown.add("gateway", 1000, () => Promise.reject(new Error("broken")));
  shutdown.add("http", 1000, async () => closed.push("http"));
  await shutdown.run(logger(lines));
  expect(closed).toEqual(["http", "store"]);
  expect(lines.map((line) => JSON.parse(line).part)).toEqual(["gateway", "driver"]);
  await shutdown.run(logger(lines));
  expect(closed).toEqual(["http", "store"]);
});
