import { spawnSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { watchSignals } from "../../src/server/signals.ts";

function given() {
  const [source, exits] = [new EventEmitter(), [] as number[]];
  let [time, due, act] = [0, 0, () => undefined as unknown];
  const after = (ms: number, then: () => void) => {
    [due, act] = [time + ms, then];
  };
  const signals = watchSignals({ source, after, exit: (code) => exits.push(code) });
  const send = (name: string, at: number): void => {
    time = at;
    if (due < time) act();
    source.emit(name);
  };
  return { signals, source, exits, send };
}

test("L-17 a later signal ends the process at once; the same Ctrl-C twice is one", async () => {
  const { signals, exits, send } = given();
  send("SIGINT", 0);
  await signals.first;
  send("SIGINT", 1000);
  expect(exits).toEqual([]);
  send("SIGTERM", 1001);
  expect(exits).toEqual([1]);
});

test("L-17 while sessions are waited for a later signal ends them, and one after that the process", () => {
  const { signals, exits, send } = given();
  let ended = 0;
  send("SIGTERM", 0);
  signals.onLater = () => {
    ended += 1;
  };
  send("SIGINT", 5000);
  send("SIGINT", 5001);
  expect([ended, exits]).toEqual([1, []]);
  send("SIGINT", 7000);
  expect([ended, exits]).toEqual([1, [1]]);
});

/** Both are sent before the loop stands still for longer than one Ctrl-C takes, and the second is handled after that. */
const STANDING_STILL = `
  const { first } = watchSignals();
  const kill = () => process.kill(process.pid, "SIGINT");
  first.then(() => {
    kill();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200);
    // When all that stood still is handled.
    setTimeout(() => setImmediate(() => setTimeout(() => {
      console.log("one");
      kill();
    })));
  });
  setInterval(() => undefined, 1000);
  kill();
`;

test("L-17 the same Ctrl-C twice is one also when the process stood still between them", () => {
  const file = JSON.stringify(join(import.meta.dirname, "..", "..", "src", "server", "signals.ts"));
  const script = `import { watchSignals } from ${file};${STANDING_STILL}`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
    timeout: 60_000,
  });
  expect([status, stdout]).toEqual([1, "one\n"]);
});

test("SIGHUP asks to read again, but not of a server that is ending", () => {
  const { signals, send } = given();
  let asked = 0;
  signals.onReload = () => {
    asked += 1;
  };
  send("SIGHUP", 0);
  expect(asked).toBe(1);
  send("SIGTERM", 1);
  send("SIGHUP", 5000);
  expect(asked).toBe(1);
});

test("nothing is watched for after the release", () => {
  const { signals, source } = given();
  signals.release();
  expect(source.eventNames()).toEqual([]);
});
