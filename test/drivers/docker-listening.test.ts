/** What is told of when an engine's events can be heard again. */
import { once } from "node:events";
import { Agent, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { listenToEvents } from "../../src/drivers/docker/events.ts";
import { Names } from "../../src/drivers/docker/names.ts";

test("L-11 of an engine that was away all pods are told of, so that what waits to end them tries again at once", async () => {
  const pods = [
    { pod: "ended-1", status: "exited" },
    { pod: "runs-1", status: "running" },
  ];
  let events = 0;
  const server = createServer(({ url = "" }, response) => {
    const { pathname, searchParams } = new URL(url, "http://docker");
    if (pathname === "/events") {
      events++;
      // The first is cut off below, the second refused, the third held.
      if (events === 2) response.writeHead(500).end();
      else response.flushHeaders();
      return;
    }
    const { status } = JSON.parse(searchParams.get("filters") ?? "{}");
    const found = pods.filter((one) => status === undefined || status.includes(one.status));
    const body = found.map(({ pod }) => ({ Labels: { "gpu-dev.pod": pod } }));
    response.setHeader("Content-Type", "application/json").end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new Agent();
  const engine = new Engine({ secure: false, options: { agent, host: "127.0.0.1", port } });
  const stop = new AbortController();
  onTestFinished(async () => {
    stop.abort();
    server.closeAllConnections();
    await once(server.close(), "close");
  });
  const told: string[] = [];
  const changed = (pod: string) => void told.push(pod);
  const trouble = () => undefined;
  void listenToEvents({ engine, names: new Names("a2345672345672345672"), changed, trouble }, stop.signal);
  await expect.poll(() => told, { timeout: 30_000 }).toEqual(["ended-1"]);
  server.closeAllConnections();
  await expect.poll(() => told, { timeout: 30_000 }).toEqual(["ended-1", "ended-1", "runs-1"]);
});
