/** Each way in which the ssh-proxy cannot get a tunnel: one line on stderr, exit 255, nothing on stdout. */
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { freePort } from "../helpers/free-port.ts";
import { DOMAIN, HOST, ID, outcome, pointTo, spawnProxy, TOKEN } from "./rig.ts";
import { given, listen, start } from "./scene.ts";

test.each([
  ["not logged in", "not_logged_in", /Not logged in: .*GPU_DEV_TOKEN/],
  ["not yours or unknown", "not_found", /Not found: .*gpu-dev list/],
  ["not ready", "not_ready", /Not ready yet: .*gpu-dev show/],
  ["ended", "reservation_ended", /The reservation ended: .*gpu-dev reserve/],
  ["sshd refused", "pod_unreachable", /ssh server did not answer: .*try again/],
  ["too many", "too_many_tunnels", /Too many tunnels: .*close one/],
  ["draining", "draining", /shutting down: .*try again/],
] as const)("T-06 %s has its own line, with the next step, and exit 255", async (_, code, line) => {
  const { rig } = await given(undefined, {
    admit: () => Promise.reject(new Problem(code, "as the server says")),
  });
  const end = await outcome(start(rig));
  expect(end).toMatchObject({ code: 255, stdout: Buffer.alloc(0) });
  expect(end.stderr).toMatch(line);
  expect(end.stderr).toMatch(/^gpu-dev: .*as the server says.*\n$/);
});

test("T-06 DNS failure, TLS failure, an unreachable and a foreign server each have their own line", async () => {
  const { rig } = await given();
  const closed = await freePort();
  const plain = await listen(createTcpServer((socket) => socket.end("SSH-2.0-not-tls\r\n")));
  const foreign = await listen(
    createServer((_, response) => response.end("<html>welcome</html>".repeat(50_000))),
  );
  const proxy = await listen(createServer((_, response) => response.writeHead(502).end("bad gateway")));
  const silent101 = await listen(
    createTcpServer((socket) =>
      socket.write(`HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`),
    ),
  );
  const lines = [
    ["http://nowhere.invalid", /no address found for nowhere\.invalid \((ENOTFOUND|EAI_AGAIN)\)/],
    [`https://127.0.0.1:${plain}`, /TLS to 127\.0\.0\.1:\d+ failed: .*NODE_EXTRA_CA_CERTS/],
    [`http://127.0.0.1:${closed}`, /127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)/],
    [`http://127.0.0.1:${foreign}`, /answered HTTP 200, not as a gpu-dev server/],
    [`http://127.0.0.1:${proxy}`, /answered HTTP 502: what is behind it cannot be reached/],
    [`http://127.0.0.1:${silent101}`, /does not answer as a gpu-dev server/],
    ["ftp://127.0.0.1", /not an http or https URL/],
  ] as const;
  for (const [url, line] of lines) {
    pointTo(rig.home, url);
    const end = await outcome(start(rig));
    expect(end.stderr).toMatch(line);
    expect(end.stderr).toMatch(/^gpu-dev: [^\n]+\n$/);
    expect([end.code, end.stdout.length]).toEqual([255, 0]);
  }
});

test("T-06 T-05 a hostile answer cannot write control characters or a second line to the terminal", async () => {
  const { rig } = await given();
  const body = { code: "made_up", title: "\u001b[2Jhello", detail: "a\r\nb", hint: "x".repeat(9000) };
  const port = await listen(
    createServer((_, response) => {
      response.writeHead(418, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
    }),
  );
  pointTo(rig.home, `http://127.0.0.1:${port}`);
  const { code, stderr } = await outcome(start(rig));
  expect(code).toBe(255);
  expect(stderr.slice(0, 40)).toMatch(/^gpu-dev: \[2Jhello: a b; xxx/);
  expect(stderr.length).toBeLessThan(1100);
});

test("T-03 a foreign host suffix is refused before any packet", async () => {
  const { rig } = await given();
  let connections = 0;
  rig.server.on("connection", () => {
    connections += 1;
  });
  for (const host of [`${ID}.${DOMAIN}.evil.com`, DOMAIN, "127.0.0.1"]) {
    const end = await outcome(spawnProxy(rig, {}, host));
    expect(end.code).toBe(255);
    expect(end.stderr).toBe(
      `gpu-dev: ${host} is not a pod: expected <id>.${DOMAIN} or gpu-dev-<id8>.${DOMAIN}\n`,
    );
  }
  expect((await outcome(spawnProxy(rig, {}, HOST, "70000"))).stderr).toMatch(/70000 is not a port/);
  expect(connections).toBe(0);
});

test("T-07 the token travels in a header, not in the URL or the argument list", async () => {
  const { rig } = await given((socket) => socket.end());
  const seen: { url: string | undefined; authorization: string | undefined }[] = [];
  rig.server.prependListener("upgrade", ({ url, headers }) => {
    seen.push({ url, authorization: headers.authorization });
  });
  const child = start(rig);
  expect(child.spawnargs.join(" ")).not.toContain(TOKEN);
  expect((await outcome(child)).code).toBe(0);
  expect(seen).toEqual([{ url: `/v1/tunnel/${ID}?port=22&node=0`, authorization: `Bearer ${TOKEN}` }]);
});
