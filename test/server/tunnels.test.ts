/** Tunnels through a real port with a real WebSocket client; the pod is a stream that echoes. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import WebSocket from "ws";
import type { ProblemDocument } from "../../src/api/errors.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { insertOpenTunnels } from "../../src/store/open-tunnels.ts";
import { deleteServer, saveServer } from "../../src/store/servers.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person } from "./rig.ts";

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let url: string;
  const sockets: WebSocket[] = [];
  beforeEach(async () => {
    rig = await openRig(engine);
    alice = await rig.person("alice");
    url = await rig.listen();
  });
  afterEach(async () => {
    for (const ws of sockets.splice(0)) ws.terminate();
    await rig.close();
  });

  const active = async (): Promise<string> => {
    const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await rig.settle();
    expect((await alice.api.getReservation({ params: { id } })).state).toBe("active");
    return id;
  };

  type Headers = Record<string, string>;
  const dial = (id: string, token: string | undefined, query = "", headers: Headers = {}): WebSocket => {
    const ws = new WebSocket(`${url.replace("http", "ws")}/v1/tunnel/${id}${query}`, "gpu-dev.tunnel.v1", {
      headers: {
        "gpu-dev-attempt": "1",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    // A refusal is read from the response; the error that follows it says less.
    ws.on("error", () => undefined);
    // A client of which nothing is heard for 10 s is given up.
    ws.once("open", () => ws.send("ack 0"));
    sockets.push(ws);
    return ws;
  };

  const opened = async (id: string, token: string): Promise<WebSocket> => {
    const ws = dial(id, token);
    await once(ws, "open");
    return ws;
  };

  const refused = async (
    id: string,
    token: string | undefined,
    query = "",
    headers: Headers = {},
  ): Promise<ProblemDocument> => {
    const ws = dial(id, token, query, headers);
    const [request, response] = (await once(ws, "unexpected-response")) as [
      { destroy(): void },
      IncomingMessage,
    ];
    let text = "";
    for await (const chunk of response) text += chunk;
    request.destroy();
    expect(response.headers["content-type"]).toBe("application/problem+json");
    return JSON.parse(text) as ProblemDocument;
  };

  /** The first control line that starts so. */
  const line = (ws: WebSocket, start: string): Promise<string> =>
    new Promise((resolve) =>
      ws.on("message", (data, binary) => {
        if (!binary && String(data).startsWith(start)) resolve(String(data));
      }),
    );

  test("T-08 the owner's tunnel carries bytes both ways", async () => {
    const ws = await opened(await active(), alice.token);
    const echo = new Promise<string>((resolve) =>
      ws.on("message", (data, binary) => {
        if (binary) resolve(String(data));
      }),
    );
    ws.send(Buffer.from("hello"));
    expect(await echo).toBe("hello");
  });

  test("T-08 A-02 nobody else gets in, administrators included, and it looks as if it did not exist", async () => {
    const id = await active();
    const bob = await rig.person("bob");
    const root = await rig.person("root", "admin");
    for (const person of [bob, root]) {
      expect(await refused(id, person.token)).toMatchObject({ status: 404, code: "not_found" });
    }
    expect(await refused("a2345672345672345672", alice.token)).toMatchObject({
      status: 404,
      code: "not_found",
    });
  });

  test("T-07 the token counts in the header only", async () => {
    const id = await active();
    expect(await refused(id, undefined)).toMatchObject({ status: 401, code: "not_logged_in" });
    const inUrl = await refused(id, undefined, `?token=${alice.token}`);
    expect([400, 401]).toContain(inUrl.status);
    expect(rig.log.join("")).not.toContain(alice.token);
  });

  test("T-06 a reservation that waits, that ended, and a strange port have their own refusals", async () => {
    const id = await active();
    const waits = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    expect(await refused(waits.id, alice.token)).toMatchObject({
      status: 409,
      code: "not_ready",
      retryable: true,
    });
    for (const query of [
      "?port=0",
      "?port=65536",
      "?port=22x",
      "?port=22&port=23",
      "?colour=red",
      "?node=-1",
    ])
      expect((await refused(id, alice.token, query)).status).toBe(400);
    await alice.api.cancelReservation({ params: { id: waits.id } });
    expect(await refused(waits.id, alice.token)).toMatchObject({ status: 410, code: "reservation_ended" });
  });

  test("T-06 tunnels at other servers count against the limit, those of servers that are gone do not", async () => {
    const id = await active();
    const other = (session: string) => ({
      session,
      server: "other",
      user_id: alice.id,
      reservation_id: id,
      node: 0,
      port: 22,
      remote_address: "192.0.2.7",
      opened_at: rig.clock.now().toISOString(),
    });
    await rig.core.store.write(async (tx) => {
      await saveServer(tx, { name: "other", address: null, draining: 0 });
      await insertOpenTunnels(
        tx,
        Array.from({ length: 100 }, (_, i) => other(`other.${i}`)),
      );
    });
    expect(await refused(id, alice.token)).toMatchObject({
      code: "too_many_tunnels",
      detail: "the reservation has 100 tunnels open, which is the limit",
    });
    await rig.core.store.write((tx) => deleteServer(tx, "other"));
    const ws = await opened(id, alice.token);
    expect(ws.readyState).toBe(WebSocket.OPEN);
  });

  test("T-08 a tunnel ends at once when its reservation ends, and says so", async () => {
    const id = await active();
    const ws = await opened(id, alice.token);
    const [bye] = await Promise.all([
      line(ws, "bye"),
      alice.api.cancelReservation({ params: { id } }),
      rig.settle(),
    ]);
    expect(bye).toMatch(/^bye reservation_ended /);
  });

  test("T-11 T-08 T-07 a session is its opener's, whose token is checked at each resume", async () => {
    const id = await active();
    const bob = await rig.person("bob");
    const ws = dial(id, alice.token);
    const [[response]] = (await Promise.all([once(ws, "upgrade"), once(ws, "open")])) as unknown as [
      [IncomingMessage],
      unknown,
    ];
    const again = (attempt: number): Headers => ({
      "gpu-dev-session": String(response.headers["gpu-dev-session"]),
      "gpu-dev-received": "0",
      "gpu-dev-attempt": String(attempt),
    });
    ws.send(Buffer.from("hello"));
    await once(ws, "message");
    ws.terminate();
    expect(await refused(id, undefined, "", again(2))).toMatchObject({ code: "not_logged_in" });
    expect(await refused(id, bob.token, "", again(2))).toMatchObject({ code: "not_found" });
    const token = await issueToken(rig.core, alice.id, { label: "laptop" });
    const back = dial(id, token.token, "", again(2));
    expect(String((await once(back, "message"))[0])).toBe("ack 5");
    back.terminate();
    await alice.api.revokeToken({ params: { id: token.id }, query: {} });
    expect(await refused(id, token.token, "", again(3))).toMatchObject({ code: "not_logged_in" });
    await Promise.all([alice.api.cancelReservation({ params: { id } }), rig.settle()]);
    expect(await refused(id, alice.token, "", again(4))).toMatchObject({ code: "reservation_ended" });
  });

  test("T-08 a collaborator's tunnel ends within 5 s of his removal, the owner's goes on", async () => {
    const id = await active();
    const bob = await rig.person("bob");
    await alice.api.patchReservation({ params: { id }, body: { add_users: ["bob"] } });
    const ws = await opened(id, bob.token);
    const own = await opened(id, alice.token);
    const bye = line(ws, "bye");
    await alice.api.patchReservation({ params: { id }, body: { remove_users: ["bob"] } });
    expect(await bye).toMatch(/^bye not_found /);
    expect(own.readyState).toBe(WebSocket.OPEN);
    expect(await refused(id, bob.token)).toMatchObject({ code: "not_found" });
    const { items } = await bob.api.listReservations({ query: {} });
    expect(items).toEqual([]);
  });

  test("T-08 X-01 a tunnel ends within 5 s of its token's revocation", async () => {
    const id = await active();
    const token = await issueToken(rig.core, alice.id, { label: "laptop" });
    const ws = await opened(id, token.token);
    const other = await opened(id, alice.token);
    const bye = line(ws, "bye");
    const since = performance.now();
    await alice.api.revokeToken({ params: { id: token.id }, query: {} });
    expect(await bye).toMatch(/^bye not_logged_in /);
    // Five seconds are the promise; this guards against hanging.
    expect(performance.now() - since).toBeLessThan(25_000);
    expect(other.readyState).toBe(WebSocket.OPEN);
  });

  test("T-08 X-01 what is revoked, and who is disabled, through one server loses the tunnels of another", async () => {
    const id = await active();
    const root = await rig.person("root", "admin");
    const token = await issueToken(rig.core, alice.id, { label: "laptop" });
    const [ws, other] = [await opened(id, token.token), await opened(id, alice.token)];
    const byes = [line(ws, "bye"), line(other, "bye")];
    const elsewhere = await rig.second();
    try {
      const api = elsewhere.clientFor(root);
      await api.revokeToken({ params: { id: token.id }, query: {} });
      expect(await byes[0]).toMatch(/^bye not_logged_in the token was revoked/);
      expect(other.readyState).toBe(WebSocket.OPEN);
      await api.patchUser({ params: { id: alice.id }, body: { disabled: true } });
      expect(await byes[1]).toMatch(/^bye not_logged_in alice was disabled/);
      expect(await refused(id, alice.token)).toMatchObject({ code: "not_logged_in" });
    } finally {
      await elsewhere.close();
    }
  });
});
