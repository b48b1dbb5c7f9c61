/** What is sent to an engine that does not take all of it. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readDockerfileIn, sentContext } from "../../src/drivers/docker/build-context.ts";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { tarOf } from "../../src/drivers/docker/tar.ts";
import { LaunchRefused } from "../../src/drivers/driver.ts";

/** Whether this process has the file open. */
const isOpen = (file: string): boolean =>
  readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      // That of the directory is closed by now.
      return false;
    }
  });

test("X-08 a Dockerfile that would hold up the server while it is read is refused", async () => {
  const dir = mkdtempSync(join(tmpdir(), "gpu-dev-context-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "context.tar");
  const reading = (size: number) => {
    const data = "FROM a\n".padEnd(size, "LABEL a=b\n");
    writeFileSync(file, tarOf([{ path: "Dockerfile", mode: 0o644, data }]));
    return readDockerfileIn(file, "Dockerfile");
  };
  expect(await reading(2 ** 17)).toHaveLength(2 ** 17);
  await expect(reading(2 ** 17 + 1)).rejects.toThrow(LaunchRefused);
});

test.skipIf(process.platform !== "linux")(
  "B-07 nothing of a context stays open when its engine answers early, or is not asked any more",
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "gpu-dev-context-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const file = join(dir, "context.tar");
    const large = { path: "large", mode: 0o644, data: Buffer.alloc(32 * 2 ** 20) };
    writeFileSync(file, tarOf([{ path: "Dockerfile", mode: 0o644, data: "FROM a" }, large]));
    let answers = false;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      if (answers) socket.end("HTTP/1.1 400 x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      await once(server.close(), "close");
    });
    const { port } = server.address() as AddressInfo;
    const engine = new Engine({ secure: false, options: { agent: new Agent(), host: "127.0.0.1", port } });
    for (answers of [false, true]) {
      const stop = new AbortController();
      const body = sentContext(file, "Dockerfile", "FROM a");
      const opening = engine.open("POST", "/build", { body, patienceMs: 0, signal: stop.signal });
      const over = Promise.allSettled([opening]);
      await expect.poll(() => isOpen(file) || answers).toBe(true);
      if (!answers) stop.abort();
      expect((await over)[0].status).toBe("rejected");
      await expect.poll(() => isOpen(file)).toBe(false);
    }
  },
);
