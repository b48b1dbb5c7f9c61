import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createGithubKeys as createKeys, MAX_KEYS_BYTES } from "../../src/server/github-keys.ts";
import { Service } from "../../src/server/outside/service.ts";

const createGithubKeys = (url: string) =>
  createKeys(url, new Service({ name: "github-keys", title: "GitHub", maxBytes: MAX_KEYS_BYTES }));

/** A server that answers like GitHub; its URL. */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("keys are asked for by the account's name, below the configured address", async () => {
  const asked: string[] = [];
  const url = await serve((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end("ssh-ed25519 AAAA\n");
  });
  expect(await createGithubKeys(`${url}/enterprise/`)("octocat")).toBe("ssh-ed25519 AAAA\n");
  expect(asked).toEqual(["GET /enterprise/octocat.keys"]);
});

test("an account that is not there is told apart from a server that fails", async () => {
  const url = await serve((request, response) => {
    response.statusCode = request.url === "/nobody.keys" ? 404 : 503;
    response.end("<html>");
  });
  const keys = createGithubKeys(url);
  expect(await keys("nobody")).toBeUndefined();
  await expect(keys("octocat")).rejects.toMatchObject({
    code: "unavailable",
    message:
      "the keys of github:octocat could not be fetched: GitHub cannot be asked now: it answered with status 503",
  });
  const closed = createTcpServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, "close");
  await expect(createGithubKeys(`http://127.0.0.1:${port}`)("octocat")).rejects.toThrow(/ECONNREFUSED/);
});

test("X-07 an answer without an end is cut off", async () => {
  const url = await serve((_request, response) => {
    const more = () => {
      while (response.write("x".repeat(10_000)));
    };
    response.on("drain", more);
    more();
  });
  await expect(createGithubKeys(url)("octocat")).rejects.toThrow("larger than 64 KiB");
});

test("redirects are followed on the same host only, and not for ever", async () => {
  const other = await serve((_request, response) => response.end("ssh-ed25519 EVIL\n"));
  const url = await serve((request, response) => {
    const to = { "/moved.keys": "/here.keys", "/away.keys": `${other}/x.keys`, "/round.keys": "/round.keys" };
    const location = to[request.url as keyof typeof to];
    if (location) response.writeHead(302, { location });
    response.end("ssh-ed25519 AAAA\n");
  });
  const keys = createGithubKeys(url);
  expect(await keys("moved")).toBe("ssh-ed25519 AAAA\n");
  await expect(keys("away")).rejects.toThrow("it redirects to another host");
  await expect(keys("round")).rejects.toThrow("it redirects again and again");
});
