/** Attempts to open a tunnel into what is not one's own, and to keep one that one has lost the right to. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import WebSocket from "ws";
import type { ProblemDocument } from "../../../src/api/errors.ts";
import { issueToken } from "../../../src/core/people/issue.ts";
import { type ApiRig, engineNamed, openRig, type Person } from "../rig.ts";

let rig: ApiRig;
let url: string;
let alice: Person;
let mallory: Person;
let root: Person;
let id: string;
let watch: string;
let scrape: string;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  rig = await openRig(engineNamed("sqlite"));
  alice = await rig.person("alice");
  mallory = await rig.person("mallory");
  root = await rig.person("root", "admin");
  url = (await rig.listen()).replace("http", "ws");
  id = (await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } })).id;
  await rig.settle();
  const forOne = { label: "watch", scope: "reservation", reservation_id: id } as const;
  watch = (await alice.api.createToken({ body: forOne })).token;
  scrape = (await root.api.createToken({ body: { label: "scrape", scope: "metrics" } })).token;
});
afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  await rig.close();
});

type Headers = Record<string, string>;

function dial(path: string, headers: Headers, protocol = "gpu-dev.tunnel.v1"): WebSocket {
  const socket = new WebSocket(url + path, protocol, { headers: { "gpu-dev-attempt": "1", ...headers } });
  // A refusal is read from the response; the error that follows it says less.
  socket.on("error", () => undefined);
  sockets.push(socket);
  return socket;
}

async function refused(path: string, headers: Headers, protocol?: string): Promise<string> {
  const socket = dial(path, headers, protocol);
  const [request, response] = (await once(socket, "unexpected-response")) as [
    { destroy(): void },
    IncomingMessage,
  ];
  let text = "";
  for await (const chunk of response) text += chunk;
  request.destroy();
  return `${response.statusCode} ${(JSON.parse(text) as ProblemDocument).code}`;
}

const as = (person: Person): Headers => ({ authorization: `Bearer ${person.token}` });

test.each<[string, () => [path: string, headers: Headers, protocol?: string], string]>([
  ["without a token", () => [`/v1/tunnel/${id}`, {}], "401 not_logged_in"],
  [
    "with a guess",
    () => [`/v1/tunnel/${id}`, { authorization: `Bearer gd_${"A".repeat(43)}` }],
    "401 not_logged_in",
  ],
  [
    "with a token in a cookie",
    () => [`/v1/tunnel/${id}`, { cookie: `token=${alice.token}` }],
    "401 not_logged_in",
  ],
  ["with a token as the subprotocol", () => [`/v1/tunnel/${id}`, {}, alice.token], "400 invalid_input"],
  ["with a token in the URL", () => [`/v1/tunnel/${id}?token=${alice.token}`, {}], "400 invalid_input"],
  ["as another user", () => [`/v1/tunnel/${id}`, as(mallory)], "404 not_found"],
  ["as an administrator", () => [`/v1/tunnel/${id}`, as(root)], "404 not_found"],
  [
    "with a token for the metrics",
    () => [`/v1/tunnel/${id}`, { authorization: `Bearer ${scrape}` }],
    "403 not_allowed",
  ],
  [
    "with a token that shows and cancels it",
    () => [`/v1/tunnel/${id}`, { authorization: `Bearer ${watch}` }],
    "403 not_allowed",
  ],
  [
    "from a page of another origin",
    () => [`/v1/tunnel/${id}`, { origin: "https://evil.example" }],
    "401 not_logged_in",
  ],
  ["to another node", () => [`/v1/tunnel/${id}?node=7`, as(alice)], "404 not_found"],
  ["to port 0", () => [`/v1/tunnel/${id}?port=0`, as(alice)], "400 invalid_input"],
  ["to a host", () => [`/v1/tunnel/${id}?host=169.254.169.254`, as(alice)], "400 invalid_input"],
  ["by a path that goes up", () => [`/v1/tunnel/..%2f..%2fv1%2fme`, as(alice)], "400 invalid_input"],
  ["to an id with a NUL", () => [`/v1/tunnel/${id}%00`, as(alice)], "400 invalid_input"],
  [
    "to a session of another gateway",
    () => [
      `/v1/tunnel/${id}`,
      { ...as(alice), "gpu-dev-session": `x.${"0".repeat(32)}`, "gpu-dev-received": "0" },
    ],
    "410 session_gone",
  ],
])("T-08 X-01 a tunnel %s is refused", async (_what, attempt, expected) => {
  expect(await refused(...attempt())).toBe(expected);
});

test("T-08 X-01 a tunnel whose token is revoked ends within 5 s, and is not resumed", async () => {
  const { id: tokenId, token } = await issueToken(rig.core, alice.id, { label: "stolen" });
  const socket = dial(`/v1/tunnel/${id}`, { authorization: `Bearer ${token}` });
  const [[response]] = (await Promise.all([once(socket, "upgrade"), once(socket, "open")])) as unknown as [
    [IncomingMessage],
  ];
  await alice.api.revokeToken({ params: { id: tokenId }, query: {} });
  await once(socket, "close");
  const again = {
    authorization: `Bearer ${token}`,
    "gpu-dev-session": String(response.headers["gpu-dev-session"]),
    "gpu-dev-received": "0",
    "gpu-dev-attempt": "2",
  };
  expect(await refused(`/v1/tunnel/${id}`, again)).toBe("401 not_logged_in");
});

test.each([
  ["larger than a MiB", Buffer.alloc(1024 * 1024 + 1)],
  ["of text that is no line of the protocol", "x".repeat(5000)],
])("X-07 a frame %s ends the tunnel", async (_what, frame) => {
  const socket = dial(`/v1/tunnel/${id}`, as(alice));
  await once(socket, "open");
  socket.send(frame);
  await once(socket, "close");
  expect(socket.readyState).toBe(WebSocket.CLOSED);
});
