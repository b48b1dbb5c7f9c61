/** What the tests of the gateway share: a rig with a pod, asked over real HTTP without the ssh-proxy. */
import { once } from "node:events";
import http from "node:http";
import { afterEach, expect } from "vitest";
import { WebSocket } from "ws";
import { ID, type Rig, type RigOptions, startRig, TOKEN } from "./rig.ts";
import { startPod, type TestPod } from "./test-pod.ts";

export const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A rig with a pod that never speaks first. */
export async function given(options: RigOptions = {}): Promise<{ rig: Rig; pod: TestPod }> {
  const pod = await startPod();
  const rig = await startRig({ dial: () => pod.dial(), ...options });
  cleanups.push(
    () => pod.close(),
    () => rig.close(),
    () => expect(rig.gateway.count()).toBe(0),
    () => rig.gateway.close(0),
  );
  return { rig, pod };
}

export const HEADERS = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  "sec-websocket-protocol": "gpu-dev.tunnel.v1",
  "gpu-dev-attempt": "1",
  authorization: `Bearer ${TOKEN}`,
};

interface Refusal {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: {
    code: string;
    detail: string;
    hint?: string;
    errors?: { field: string }[];
    request_id: string;
  };
}

/** Asks for an upgrade that is refused. */
export async function refusal(
  rig: Rig,
  path = `/v1/tunnel/${ID}?port=22&node=0`,
  change: Record<string, string> = {},
  method = "GET",
): Promise<Refusal> {
  const request = http.request(rig.url + path, { method, headers: { ...HEADERS, ...change } }).end();
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const parts = await response.toArray();
  const body = JSON.parse(Buffer.concat(parts).toString());
  return { status: response.statusCode, headers: response.headers, body };
}

interface Opened {
  readonly ws: WebSocket;
  readonly headers: http.IncomingHttpHeaders;
  /** Control lines from the gateway. */
  readonly lines: string[];
}

/** Opens a tunnel; the gateway has heard its first ack. */
export async function open(
  rig: Rig,
  query = "port=22&node=0",
  change: Record<string, string> = {},
): Promise<Opened> {
  const ws = new WebSocket(`${rig.url.replace("http", "ws")}/v1/tunnel/${ID}?${query}`, "gpu-dev.tunnel.v1", {
    headers: { authorization: `Bearer ${TOKEN}`, "gpu-dev-attempt": "1", ...change },
  });
  const lines: string[] = [];
  ws.on("message", (data: Buffer, binary) => binary || lines.push(data.toString()));
  cleanups.push(() => ws.terminate());
  const [[response]] = (await Promise.all([once(ws, "upgrade"), once(ws, "open")])) as unknown as [
    [http.IncomingMessage],
    unknown,
  ];
  ws.send("ack 0");
  ws.ping();
  await once(ws, "pong");
  return { ws, headers: response.headers, lines };
}
