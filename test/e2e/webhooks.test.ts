/** A webhook as a user types it, over a real server with a configuration file, to a receiver that checks the signature. */
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Reservation } from "../../src/api/reservations.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { type ServerProcess, startServerProcess } from "../helpers/server-process.ts";

const { home, remove } = temporaryHome();
const config = join(home, "server.yaml");
const posts: { headers: IncomingHttpHeaders; body: string }[] = [];
const receiver = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString();
  posts.push({ headers: request.headers, body });
  response.end("x".repeat(4096));
});
let server: ServerProcess;
let url: string;
/** Against hanging. */
const GUARD = { timeout: 60_000, interval: 50 };

beforeAll(async () => {
  await once(receiver.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook?key=K_3_Y`;
  writeFileSync(config, "");
  server = await startServerProcess({ home, args: ["--config", config, "--simulate", "h100:1"] });
});
afterAll(async () => {
  expect(await server.stop()).toBe(0);
  receiver.close();
  remove();
});

const reserve = (...more: string[]) =>
  gpuDev(home, ["reserve", "--gpu-type", "h100", "--time", "1h", "--webhook", url, "--json", ...more]);

test("a private address is refused with what to do, until the configuration allows it", async () => {
  const refused = await reserve();
  expect(refused.code).toBe(2);
  const problem = JSON.parse(refused.stdout);
  expect(problem.detail).toBe(
    "webhook: 127.0.0.1 is not a public address, and this server posts to no other",
  );
  expect(problem.hint).toContain("`webhooks` in the configuration file");
  writeFileSync(config, "webhooks:\n  allow_hosts: [127.0.0.1]\n");
  process.kill(server.pid, "SIGHUP");
  await vi.waitFor(async () => expect(await reserve("--dry-run")).toMatchObject({ code: 0 }), GUARD);
});

test("the whole life is posted, signed with the secret that --json shows, and counted", async () => {
  const made = await reserve("--name", "hooked");
  expect(made).toMatchObject({ code: 0 });
  const { id, webhook } = JSON.parse(made.stdout) as Reservation;
  expect(await gpuDev(home, ["cancel", "hooked"])).toMatchObject({ code: 0 });
  const events = () => posts.map(({ headers }) => headers["gpu-dev-event"]);
  await vi.waitFor(() => expect(events()).toEqual(["preparing", "active", "cancelled"]), GUARD);
  for (const { headers, body } of posts) {
    const [, t, v1] = /^t=(\d+),v1=(\w+)$/.exec(String(headers["gpu-dev-signature"])) ?? [];
    expect(v1).toBe(
      createHmac("sha256", webhook?.secret ?? "")
        .update(`${t}.${body}`)
        .digest("hex"),
    );
    expect(JSON.parse(body)).toMatchObject({
      id: headers["gpu-dev-delivery"],
      reservation: { id, webhook: null },
    });
  }
  const page = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.token}` } });
  expect(await page.text()).toContain('gpu_dev_webhook_posts_total{outcome="delivered"} 3');
  expect(server.log()).not.toContain("K_3_Y");
});
