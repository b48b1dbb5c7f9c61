/** A gateway in memory, the pods behind it, and the connections of one client that does whatever it likes. */
import { setImmediate as turn } from "node:timers/promises";
import { expect } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { createGateway, type Gateway } from "../../src/tunnel/gateway.ts";
import { NOBODY, type TunnelRecord } from "../../src/tunnel/observer.ts";
import { Dice } from "../helpers/random.ts";
import { FakeClock } from "./fake-clock.ts";
import { HEADERS } from "./gateway-scene.ts";
import { HostileClient, SALT } from "./hostile-client.ts";
import { connection, HELD, type MemorySocket } from "./memory-socket.ts";
import { nonsense } from "./nonsense.ts";
import { NumberedReader, numbered } from "./numbered.ts";
import { fragments, frame, OPCODE } from "./raw-frames.ts";
import { ID, TOKEN } from "./rig.ts";

const WINDOW = 2_000;

/** The pod behind the session: writes numbered bytes, and checks those that come. */
class Pod {
  readonly socket: MemorySocket;
  readonly heard = new NumberedReader(SALT.up);
  written = 0;

  constructor(socket: MemorySocket) {
    this.socket = socket;
    socket.on("data", (data: Buffer) => this.heard.take(data));
    socket.on("error", () => undefined);
  }

  write(bytes: number): void {
    if (this.socket.destroyed || this.socket.writableEnded) return;
    this.socket.write(numbered(this.written, bytes, SALT.down));
    this.written += bytes;
  }
}

export class GatewayScene extends Dice {
  readonly clock = new FakeClock();
  readonly records: TunnelRecord[] = [];
  opened = 0;
  readonly gateway: Gateway;
  readonly clients: HostileClient[] = [];
  readonly pods: Pod[] = [];
  /** The session of the newest connection that was accepted, and what of its streams this side knows. */
  session: string | undefined;
  attempt = 1;
  /** The most that was acknowledged, and so what the window counts from. */
  acked = 0;
  revoked: Problem | undefined;

  constructor(seed: number) {
    super(seed);
    this.gateway = createGateway({
      name: "gw",
      maxPerUser: 4,
      maxPerReservation: 4,
      window: WINDOW,
      clock: this.clock,
      log: () => undefined,
      observer: {
        ...NOBODY,
        opened: () => {
          this.opened += 1;
        },
        closed: (record) => this.records.push(record),
      },
      admit: async ({ token, reservation }) => {
        if (token !== TOKEN) throw new Problem("not_logged_in", "the token is not valid");
        const recheck = async () => this.revoked;
        return { userId: "u1", reservationId: reservation, dial: async () => this.#dial(), recheck };
      },
    });
  }

  get client(): HostileClient | undefined {
    return this.clients.at(-1);
  }

  /** Bytes of the pod's stream that came without a gap, over all connections. */
  get seen(): number {
    return Math.max(0, ...this.clients.filter((c) => c.status === 101).map((c) => c.down.count));
  }

  #dial(): MemorySocket {
    const [near, far] = connection();
    this.pods.push(new Pod(far));
    return near;
  }

  async step(): Promise<void> {
    const what = this.upTo(100);
    if (!this.client || what < 4) await this.open();
    else if (what < 16) await this.resume();
    else if (what < 36) this.sendBytes(this.one(this.client, this.client, ...this.clients));
    else if (what < 52) this.sendLine(this.client);
    else if (what < 55) this.client.write(nonsense(this, true));
    else if (what < 75) this.pods.at(-1)?.write(this.upTo(900));
    else if (what < 80) this.stopOrGo(this.pods.at(-1)?.socket ?? this.client.socket);
    else if (what < 90) this.clock.tick(this.one(50, 100, 1_000, 15_000));
    else if (what < 94) this.one(this.client, ...this.clients).socket.destroy();
    else if (what < 96) this.pods.at(-1)?.socket.end();
    else if (what < 98) this.pods.at(-1)?.socket[this.one("destroy" as const, "reset" as const)]();
    else if (what < 99) this.client.socket.end();
    else this.rare();
  }

  async open(change: Record<string, string> = {}): Promise<void> {
    const client = this.#connect(0, change);
    await this.answered(client);
    if (client.status !== 101) return;
    this.session = client.headers.get("gpu-dev-session");
    this.attempt = 1;
    this.acked = 0;
    // Connections of the sessions before say nothing of this one's streams.
    this.clients.splice(0, this.clients.length - 1);
    if (this.random() < 0.8) client.write(frame(OPCODE.text, Buffer.from("ack 0")));
  }

  /** Comes back: rightly, or with a place, a number, a session or a token that it has no right to. */
  async resume(honest = this.random() < 0.6): Promise<void> {
    if (this.session === undefined) return;
    const received = honest
      ? this.seen
      : this.one(this.upTo(this.seen + 1), this.seen + 1 + this.upTo(5_000), 2 ** 40);
    const attempt = honest
      ? this.attempt + 1
      : this.one(this.attempt, this.attempt + 1 + this.upTo(3), 0, -1);
    const session = honest || this.random() < 0.8 ? this.session : `gw.${"0".repeat(32)}`;
    const token = honest || this.random() < 0.9 ? TOKEN : "stolen";
    const isOver = this.isOver(session);
    const client = this.#connect(received, {
      "gpu-dev-session": session,
      "gpu-dev-received": String(received),
      "gpu-dev-attempt": String(attempt),
      authorization: `Bearer ${token}`,
    });
    await this.answered(client);
    const wrong = isOver || session !== this.session || token !== TOKEN || attempt <= this.attempt;
    if (client.status !== 101) this.clients.pop();
    else if (wrong || received > (this.pods.at(-1)?.written ?? 0))
      throw new Error("it came back without a right to");
    else this.attempt = attempt;
  }

  isOver(session: string): boolean {
    return this.records.some((record) => record.session === session);
  }

  #connect(received: number, change: Record<string, string>): HostileClient {
    const target = { url: `/v1/tunnel/${ID}?port=22&node=0`, headers: { ...HEADERS, ...change } };
    const client = new HostileClient(this.gateway, target, received);
    this.clients.push(client);
    return client;
  }

  async answered(client: HostileClient): Promise<void> {
    for (let i = 0; i < 50 && client.status === undefined && !client.closed; i++) await turn();
    if (client.status === undefined && !client.closed) throw new Error("a request has no answer");
  }

  /** The next bytes of our stream; in pieces, in fragments, and sometimes more than the window allows. */
  sendBytes(client: HostileClient): void {
    if (!client.isOpen) return;
    const payload = numbered(
      client.place,
      this.one(0, 1, this.upTo(300), this.upTo(300), this.upTo(3_000)),
      SALT.up,
    );
    client.place += payload.length;
    const bytes = fragments(OPCODE.binary, payload, this.one(payload.length + 1, 1 + this.upTo(200)));
    const cut = this.upTo(bytes.length);
    client.write(bytes.subarray(0, cut));
    client.write(bytes.subarray(cut));
  }

  sendLine(client: HostileClient): void {
    if (!client.isOpen) return;
    const { count } = client.down;
    const told = client.lines.some((line) => line.startsWith("bye"));
    const line = told ? "bye done x" : this.random() < 0.75 ? this.ack(count) : this.#wrongLine(client);
    client.write(fragments(OPCODE.text, Buffer.from(line), this.one(5_000, 1 + this.upTo(4))));
  }

  ack(bytes: number): string {
    this.acked = Math.max(this.acked, bytes);
    return `ack ${bytes}`;
  }

  #wrongLine({ down, place }: HostileClient): string {
    return this.one(
      `ack ${this.upTo(this.acked + 1)}`,
      // Of what is still on the way this is no lie.
      this.ack(down.count + 1 + this.upTo(3_000)),
      `ack ${"9".repeat(1 + this.upTo(30))}`,
      "ack -1",
      "ack 01",
      "ack",
      `end ${place}`,
      `end ${place}`,
      `end ${place + this.upTo(10) + 1}`,
      `end ${"9".repeat(16)}`,
      "bye",
      "bye done x",
      "bye gone y",
      "bye hangup \u0007\u001b[31m",
      `bye ${"x".repeat(50)} y`,
      "x".repeat(3_000),
      "",
    );
  }

  stopOrGo(socket: MemorySocket): void {
    if (socket.isPaused()) socket.resume();
    else socket.pause();
  }

  rare(): void {
    const why = new Problem("reservation_ended", "it ended");
    if (this.random() < 0.5) this.gateway.endReservation(ID, why);
    else this.revoked = this.random() < 0.5 ? why : undefined;
  }

  check(): void {
    for (const { heard } of this.pods) heard.check();
    for (const { down, status } of this.clients) {
      down.check();
      if (status === 101 && down.count > this.acked + WINDOW)
        throw new Error(`${down.count} bytes came, of which ${this.acked} are acknowledged`);
    }
    // What the socket of a pod that is gone still took was heard by nobody, as with TCP until its reset comes.
    if (this.pods.some(({ socket }) => socket.destroyed)) return;
    const heard = this.pods.reduce((sum, pod) => sum + pod.heard.count, 0);
    const waiting = this.gateway.state().up - heard;
    if (waiting > this.pods.length * (WINDOW + HELD)) throw new Error(`${waiting} bytes wait for the pods`);
  }

  /** From now on the client keeps to the protocol: what can still come must come, each byte of it, both ways. */
  async finishHonestly(): Promise<void> {
    this.revoked = undefined;
    const pod = this.pods.at(-1);
    if (!pod || this.session === undefined) return;
    pod.socket.resume();
    const mine = this.session;
    const alive = () => !this.isOver(mine);
    if (!alive()) return;
    await this.resume(true);
    const { client } = this;
    for (let i = 0; i < 200 && alive() && client?.isOpen; i++) {
      if (client.down.count === pod.written && pod.heard.count === client.place) return;
      client.write(frame(OPCODE.text, Buffer.from(this.ack(client.down.count))));
      this.clock.tick(100);
      await turn();
    }
    const [down, up] = [client?.down.count, client?.place];
    if (alive() && client?.isOpen && !pod.socket.destroyed)
      throw new Error(`bytes are missing: ${down} of ${pod.written} down, ${pod.heard.count} of ${up} up`);
  }

  /** Nobody says anything any more: all of it is over within its bounds, with one record each, and nothing is left. */
  async end(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      this.clock.tick(20_000);
      await turn();
    }
    const sockets = [...this.pods, ...this.clients].map(({ socket }) => socket);
    const left = () => this.clock.pending + sockets.filter((socket) => !socket.destroyed).length;
    for (let i = 0; i < 20 && left() > 0; i++) await turn();
    expect([this.gateway.count(), left()]).toEqual([0, 0]);
    expect(this.records).toHaveLength(this.opened);
    expect(new Set(this.records.map(({ session }) => session)).size).toBe(this.opened);
    for (const { text } of this.records) expect(text).not.toMatch(/\p{Cc}/u);
  }
}
