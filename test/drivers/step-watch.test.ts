/** What is asked of an engine about the steps of a build. */
import { once } from "node:events";
import { Agent, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { StepWatch } from "../../src/drivers/docker/step-watch.ts";

test("B-10 an engine that takes long to find out how much a step wrote is not taken for down", async () => {
  const measured = Promise.withResolvers<void>();
  const server = createServer(({ url = "" }, response) => {
    // It reads all that the step wrote.
    if (url.includes("size=true")) measured.resolve();
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
  const engine = new Engine({ secure: false, options: { agent: new Agent(), host: "127.0.0.1", port } });
  const host = { node: "box", engine, room: async () => 1 };
  const watch = new StepWatch(host, { pids: 100, imageMax: 1, freeMin: 0 }, () => true);
  await watch.begin("0123456789ab");
  vi.advanceTimersByTime(2000);
  await measured.promise;
  vi.advanceTimersByTime(10 * 60_000);
  await engine.ask("GET", "/_ping");
  expect(engine.state()).toMatchObject({ down: false, failed: 0 });
  watch.close();
});
