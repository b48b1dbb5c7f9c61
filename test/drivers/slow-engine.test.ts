/** Questions that an engine takes long to answer, and what that says of the engine. */
import { EventEmitter, once } from "node:events";
import { Agent, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { StepWatch } from "../../src/drivers/docker/step-watch.ts";
import { DriverError } from "../../src/drivers/driver.ts";

/** One that answers all questions but some, of which it tells; timers go on when they are told to. */
async function slowEngine(isSlow: (url: string) => boolean): Promise<{ engine: Engine; slow: EventEmitter }> {
  const slow = new EventEmitter();
  const server = createServer(({ url = "" }, response) => {
    if (isSlow(url)) slow.emit("asked");
    else response.setHeader("Content-Type", "application/json").end('{"Config":{"Labels":{}}}');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    await once(server.close(), "close");
  });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { port } = server.address() as AddressInfo;
  const route = { secure: false, options: { agent: new Agent(), host: "127.0.0.1", port } };
  return { engine: new Engine(route), slow };
}

test("B-10 an engine that takes long to find out how much a step wrote is not taken for down", async () => {
  const { engine, slow } = await slowEngine((url) => url.includes("size=true"));
  const host = { node: "box", engine, room: async () => 1 };
  const watch = new StepWatch(host, { pids: 100, imageMax: 1, freeMin: 0 }, () => true);
  await watch.begin("0123456789ab");
  const measured = once(slow, "asked");
  vi.advanceTimersByTime(2000);
  await measured;
  vi.advanceTimersByTime(10 * 60_000);
  await engine.ask("GET", "/_ping");
  expect(engine.state()).toMatchObject({ down: false, failed: 0 });
  watch.close();
});

test("B-10 an engine is taken for down by one question that it does not answer, but not by one about a container, which may be starting", async () => {
  const { engine, slow } = await slowEngine(() => true);
  for (const [path, down] of [
    ["/containers/0123456789ab/json", false],
    ["/containers/json", true],
  ] as const) {
    const asked = once(slow, "asked");
    const answer = engine.ask("GET", path).catch((error: unknown) => error);
    await asked;
    vi.advanceTimersByTime(20_000);
    expect(await answer).toBeInstanceOf(DriverError);
    expect(engine.state().down).toBe(down);
  }
});
