import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { isPublic } from "../../src/api/public-address.ts";
import { createWebhookSender, type WebhookRules } from "../../src/server/webhook-sender.ts";
import { makeCertificates } from "../helpers/certificates.ts";

const post = (url: string, body = "{}") => ({ url, headers: { "gpu-dev-event": "active" }, body });
const never = new AbortController().signal;
const GUARD_MS = 60_000;

/** A name server's answers; what it does not know has no address. */
const names = (four: Record<string, string[]>, six: Record<string, string[]> = {}) => {
  const answer = (of: Record<string, string[]>) => async (host: string) => {
    const found = of[host];
    if (found) return found;
    throw new Error(`queryA ENOTFOUND ${host}`);
  };
  return { resolve4: answer(four), resolve6: answer(six) } as never;
};

const sender = (rules: Partial<WebhookRules> = {}, resolver = names({}), timeoutMs = GUARD_MS) =>
  createWebhookSender({
    rules: () => ({ allowPrivate: false, allowHosts: [], ...rules }),
    resolver,
    timeoutMs,
  });

/** A receiver on loopback. */
async function serve(listener: RequestListener): Promise<{ port: number; url: string; requests: number }> {
  const seen = { port: 0, url: "", requests: 0 };
  const server = createServer((request, response) => {
    seen.requests++;
    listener(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  seen.port = (server.address() as AddressInfo).port;
  seen.url = `http://127.0.0.1:${seen.port}/hook`;
  return seen;
}

describe("which addresses are public", () => {
  test.each(["8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "223.255.255.255", "2606:4700::1111"])(
    "%s is",
    (address) => expect(isPublic(address)).toBe(true),
  );
  test.each([
    ...["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    ...["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255"],
    ...["::", "::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fc00::1", "ff02::1", "::ffff:127.0.0.1"],
    ...[
      "::ffff:8.8.8.8",
      "64:ff9b::a00:1",
      "2002:7f00:1::",
      "2001::1",
      "2001:db8::1",
      "3fff::1",
      "localhost",
      "",
    ],
  ])("%s is not", (address) => expect(isPublic(address)).toBe(false));
});

describe("what speaks against a URL by itself", () => {
  test.each([
    ...[
      "http://127.0.0.1/",
      "http://2130706433/",
      "http://0x7f.1/",
      "http://017700000001/",
      "http://[::1]:8080/",
    ],
    ...["http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data", "http://localhost:4780/"],
    ...["https://LOCALHOST/", "http://a.localhost/", "http://127.0.0.1./"],
  ])("%s is refused, and nothing is dialled", async (url) => {
    const { host } = new URL(url);
    expect(sender().fault(url)).toMatch(/ is not a public address, and this server posts to no other$/);
    expect(await sender().post(post(url), never)).toBe(sender().fault(url));
    expect(sender({ allowPrivate: true }).fault(url), host).toBeUndefined();
  });
  test("a public name or address is not", () => {
    for (const url of ["https://ci.example.org/x", "http://8.8.8.8/", "http://[2606:4700::1111]/"])
      expect(sender().fault(url)).toBeUndefined();
  });
  test("the configuration allows a host by its name or address, whatever it is spelled like", () => {
    const rules = { allowHosts: ["127.0.0.1", "::1", "localhost"] };
    for (const url of ["http://2130706433/", "http://[0:0::1]/", "http://LocalHost/"])
      expect(sender(rules).fault(url)).toBeUndefined();
    expect(sender(rules).fault("http://127.0.0.2/")).toBeDefined();
  });
});

test("a name that leads to a private address is refused when it is dialled, also when it led elsewhere before", async () => {
  const receiver = await serve((_, response) => response.end());
  const answers = [["8.8.8.8"], ["127.0.0.1"]];
  const rebinding = { resolve4: async () => answers.pop() ?? [], resolve6: async () => ["::1"] } as never;
  const url = `http://rebind.test:${receiver.port}/`;
  expect(await sender({}, rebinding).post(post(url), never)).toBe(
    // Not where it leads: that is the server's network's affair.
    "rebind.test is not a public address, and this server posts to no other",
  );
  expect(await sender({}, names({}, { "six.test": ["::ffff:127.0.0.1"] })).post(post(url), never)).toBe(
    "rebind.test has no address",
  );
  expect(receiver.requests).toBe(0);
});

test("of several addresses only the public ones are dialled", async () => {
  const receiver = await serve((_, response) => response.end());
  const mixed = names({ "mixed.test": ["127.0.0.1", "192.0.2.1"] }, { "mixed.test": ["::1", "fe80::1"] });
  const url = `http://mixed.test:${receiver.port}/`;
  expect(await sender({}, mixed).post(post(url), never)).toMatch(/^mixed.test is not a public address/);
  expect(receiver.requests).toBe(0);
});

test("a host that is allowed gets the body and the headers, with the user's name and password", async () => {
  const got: unknown[] = [];
  const receiver = await serve(async (request, response) => {
    const { method, url, headers } = request;
    got.push(method, url, headers["gpu-dev-event"], headers.authorization, headers.connection);
    got.push(Buffer.concat(await request.toArray()).toString());
    response.writeHead(204).end();
  });
  const url = `http://u:p%40@localhost:${receiver.port}/a?b=c`;
  expect(await sender({ allowHosts: ["localhost"] }).post(post(url, '{"ü":1}'), never)).toBeUndefined();
  const basic = `Basic ${Buffer.from("u:p@").toString("base64")}`;
  expect(got).toEqual(["POST", "/a?b=c", "active", basic, "close", '{"ü":1}']);
});

test("over https the receiver's certificate is verified", async () => {
  const dir = await mkdtemp(join(tmpdir(), "gd-webhook-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const server = createTlsServer(makeCertificates(dir, ["127.0.0.1"]), (_, response) =>
    response.end(),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const failure = await sender({ allowPrivate: true }).post(post(`https://127.0.0.1:${port}/`), never);
  expect(failure).toMatch(/certificate/);
});

test("a redirect is not followed, and every status but 2xx is no", async () => {
  const inner = await serve((_, response) => response.end());
  const receiver = await serve((request, response) => {
    response.writeHead(Number(request.url?.slice(1)), { location: inner.url }).end();
  });
  const at = (status: number) =>
    sender({ allowPrivate: true }).post(post(`http://127.0.0.1:${receiver.port}/${status}`), never);
  for (const status of [301, 302, 307, 400, 404, 410, 500, 503])
    expect(await at(status)).toBe(`it answered with status ${status}`);
  for (const status of [200, 201, 202, 204]) expect(await at(status)).toBeUndefined();
  expect(inner.requests).toBe(0);
});

test("an answer that changes the protocol is no, and the connection is closed", async () => {
  const closed = Promise.withResolvers<void>();
  const receiver = await serve(({ socket }) => {
    socket.on("close", () => closed.resolve());
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
  });
  expect(await sender({ allowPrivate: true }).post(post(receiver.url), never)).toBe(
    "it answered with status 101",
  );
  await closed.promise;
});

test("what cannot even be begun is a failure in words", async () => {
  expect(await sender().post(post("https://%ZZ:word@ci.example.org/"), never)).toBe("URI malformed");
});

test("an answer without end is not read: its head is enough, and the connection is closed", async () => {
  const closed = Promise.withResolvers<void>();
  const receiver = await serve((_, response) => {
    response.writeHead(200);
    response.on("close", closed.resolve);
    const more = (): void => void response.write("x".repeat(65_536), (error) => error || setImmediate(more));
    more();
  });
  expect(await sender({ allowPrivate: true }).post(post(receiver.url), never)).toBeUndefined();
  await closed.promise;
});

test("a receiver that does not answer, a name server that does not, and a stop are told apart in words", async () => {
  const receiver = await serve(() => undefined);
  const rules = { allowPrivate: true };
  expect(await sender(rules, names({}), 50).post(post(receiver.url), never)).toBe("no answer within 0.05 s");
  const silent = {
    resolve4: () => new Promise(() => undefined),
    resolve6: () => new Promise(() => undefined),
  };
  const dead = sender({}, silent as never, 50);
  expect(await dead.post(post("http://slow.test/"), never)).toBe("no answer within 0.05 s");
  const stop = new AbortController();
  const posting = sender(rules).post(post(receiver.url), stop.signal);
  stop.abort();
  expect(await posting).toBe("The operation was aborted");
});

test("nobody there, and a name that does not exist, are said without the URL", async () => {
  const receiver = await serve(() => undefined);
  const url = `http://secret:word@127.0.0.1:1/path?key=value`;
  expect(await sender({ allowPrivate: true }).post(post(url), never)).toBe(
    "connect ECONNREFUSED 127.0.0.1:1",
  );
  expect(await sender().post(post(`http://no.test:${receiver.port}/?key=value`), never)).toBe(
    "no.test has no address",
  );
});
