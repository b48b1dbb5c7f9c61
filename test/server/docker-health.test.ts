/** A server whose Docker host stands still: what it says of itself, and of that. */
import { expect, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { homeOf } from "../../src/api/home.ts";
import { INFO_PATIENCE_MS } from "../../src/drivers/docker/host.ts";
import { startServer } from "../../src/server/main.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { temporaryHome } from "../helpers/gpu-dev.ts";
import { hurried } from "../helpers/hurried.ts";

const LONG = { timeout: 150_000, interval: 100 };

test.skipIf(noDockerEngine() !== undefined)(
  "O-05 B-10 a Docker host that stands still is named by health and metrics, and the server stays ready",
  { timeout: 400_000 },
  async () => {
    const engine = await DockerEngine.start({ gpus: false });
    const { home, remove } = temporaryHome();
    const log: string[] = [];
    const server = await startServer({
      dataDir: `${home}/data`,
      listen: "127.0.0.1:0",
      simulate: [{ gpuType: "h100", count: 2 }],
      logLevel: "info",
      isolation: "auto",
      home: homeOf({ GPU_DEV_HOME: home }, home),
      logTo: { write: (line: string) => log.push(line) },
      githubKeysUrl: "none",
      driver: { driver: "docker" },
      docker: { hosts: [{ name: "box", url: engine.url }] },
    });
    const { url, token } = server;
    const client = createClient({ url, token, fetch, version: "99.0.0-test" });
    const host = async () => (await client.getReady({})).services?.["docker-host:box"];
    const metric = async () => {
      const page = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
      return /^gpu_dev_outside_down\{service="docker-host:box"\} (\d)$/m.exec(await page.text())?.[1];
    };
    expect([await host(), await metric()]).toEqual(["ok", "0"]);
    await engine.freeze();
    const patient = hurried(INFO_PATIENCE_MS);
    // Each of these answers says that the server is ready, or the client throws.
    await expect.poll(host, LONG).toBe("down");
    expect(await metric()).toBe("1");
    patient();
    await engine.thaw();
    await expect.poll(host, LONG).toBe("ok");
    expect(await metric()).toBe("0");
    expect(log.filter((line) => line.includes("not ready"))).toEqual([]);
    await server.close();
    await engine.stop();
    remove();
  },
);
