/**
 * The client against hostile gateways: refusals, answers, frames and offsets of every wrong kind, over real sockets and
 * with a clock that is ticked. `npm test` runs a two-hundredth of `npm run soak`. GPU_DEV_SEED replays a failing run.
 */
import { PassThrough } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { TunnelClient, type TunnelEnd } from "../../src/tunnel/client.ts";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { FakeClock } from "./fake-clock.ts";
import { startHostileGateway, type Visit } from "./hostile-gateway.ts";
import { nonsense } from "./nonsense.ts";
import { NumberedReader, numbered } from "./numbered.ts";
import { fragments, frame, OPCODE } from "./raw-frames.ts";
import { ID, TOKEN } from "./rig.ts";

const SEQUENCES = process.env.GPU_DEV_SOAK === undefined ? 500 : 100_000;
const SALT = { up: 1, down: 2 };
/** Longer than a set-up, a session that waits to be resumed, and all pauses between. */
const LONGEST_MS = 2 * 3_600_000;

class Scene extends Dice {
  readonly clock = new FakeClock();
  readonly stdin = new PassThrough();
  readonly stdout = new NumberedReader(SALT.down);
  readonly client: TunnelClient;
  end: TunnelEnd | undefined;
  /** Bytes of the client's stream that are written to it, and the most that was ever taken from it. */
  written = 0;
  taken = 0;
  /** What `end` said of the pod's stream, if it was true. */
  total: number | undefined;
  /** Connections that it may have before all are refused for good. */
  left: number;
  visit: Visit | undefined;

  constructor(seed: number, url: string) {
    super(seed);
    this.left = 1 + this.upTo(5);
    const stdout = new PassThrough();
    stdout.on("data", (data: Buffer) => this.stdout.take(data));
    this.client = new TunnelClient({
      server: () => ({ url, token: TOKEN, origin: "a test" }),
      pod: async () => ({ reservation: ID, node: 0 }),
      port: 22,
      stdin: this.stdin,
      stdout,
      setUpMs: this.one(0, 30_000),
      clock: this.clock,
      surroundings: { wallClock: () => 0, addresses: () => new Set(["127.0.0.1"]) },
    });
    void this.client.done.then((end) => {
      this.end = end;
    });
  }

  /** A connection: its answer is one of many, most of them wrong. */
  meet(visit: Visit): void {
    this.visit?.socket.destroy();
    this.visit = visit;
    this.left -= 1;
    const isResume = visit.headers.has("gpu-dev-session");
    const what = this.upTo(100);
    if (this.left < 0) visit.socket.end(refusal(410, "session_gone"));
    else if (what < 4) visit.socket.destroy();
    else if (what < 6) visit.socket.end();
    else if (what < 8) visit.socket.pause();
    else if (what < 22) visit.socket.end(this.refusal());
    else if (what < 34) visit.write(visit.accept(SALT.up, this.taken, this.#wrongAnswer()));
    else if (what < 38) visit.write(visit.accept(SALT.up, isResume ? this.upTo(this.taken + 2_000) : 0));
    else visit.write(visit.accept(SALT.up, this.taken));
  }

  refusal(): string {
    return this.one(
      refusal(429, "too_many_tunnels", "Retry-After: 10\r\n"),
      refusal(503, "draining", `Retry-After: ${"9".repeat(this.upTo(30))}\r\n`),
      refusal(409, "not_ready"),
      refusal(401, "not_logged_in"),
      refusal(404, "\u001b[31mnobody\u0007"),
      "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>",
      "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
      "HTTP/1.1 503 x\r\nContent-Type: application/problem+json\r\n\r\n{",
      "HTTP/1.1 410 Gone\r\nContent-Type: application/problem+json\r\n\r\n[null]",
      `HTTP/1.1 404 ${"x".repeat(100)}\r\n${"a: b\r\n".repeat(this.upTo(4_000))}\r\n`,
      "SSH-2.0-OpenSSH_9.2\r\n",
      "\0\0\0",
    );
  }

  #wrongAnswer(): Record<string, string | undefined> {
    return this.one<Record<string, string | undefined>>(
      { "sec-websocket-accept": "AAAA" },
      { "sec-websocket-protocol": undefined },
      { "sec-websocket-protocol": "other" },
      { "sec-websocket-extensions": "permessage-deflate" },
      { upgrade: "h2c" },
      { "gpu-dev-session": undefined },
      { "gpu-dev-session": "another" },
      { "gpu-dev-received": undefined },
      { "gpu-dev-received": "-1" },
      { "gpu-dev-received": "1e3" },
      { "gpu-dev-received": String(2 ** 50) },
      { "gpu-dev-window": "1" },
      { "gpu-dev-window": String(2 ** 40) },
      { "gpu-dev-window": "many" },
    );
  }

  step(): void {
    const what = this.upTo(100);
    const { visit } = this;
    if (what < 30) this.clock.tick(this.one(10, 100, 500, 2_000, 15_000));
    else if (what < 45) this.type();
    else if (what < 47) this.stdin.end();
    else if (!visit?.up) return;
    else if (what < 70) this.sendBytes(visit);
    else if (what < 85) this.sendLine(visit);
    else if (what < 90) visit.write(nonsense(this, false));
    else if (what < 95) visit.socket.destroy();
    else if (what < 97) visit.socket.resetAndDestroy();
    else this.clock.tick(60_000);
  }

  type(): void {
    if (this.stdin.writableEnded) return;
    const bytes = this.upTo(2_000);
    this.stdin.write(numbered(this.written, bytes, SALT.up));
    this.written += bytes;
  }

  sendBytes(visit: Visit): void {
    // Past its end there are no more.
    if (this.total !== undefined) return;
    const payload = numbered(visit.place, this.one(0, 1, this.upTo(500), this.upTo(70_000)), SALT.down);
    visit.place += payload.length;
    visit.write(
      fragments(OPCODE.binary, payload, this.one(payload.length + 1, 1 + this.upTo(20_000)), false),
    );
  }

  sendLine(visit: Visit): void {
    const { place, up } = visit;
    const line = this.one(
      `ack ${up?.count}`,
      `ack ${up?.count}`,
      `ack ${up?.count}`,
      `ack ${(up?.count ?? 0) + 1 + this.upTo(100_000)}`,
      `ack ${this.upTo(100)}`,
      `end ${place}`,
      `end ${place + 1 + this.upTo(9)}`,
      `bye reservation_ended it ended \u001b[31m\u0007`,
      `bye ${"x".repeat(2_100)}`,
      "nonsense",
    );
    if (line === `end ${place}`) this.total = place;
    visit.write(frame(OPCODE.text, Buffer.from(line), { masked: false }));
  }

  check(): void {
    const { visit } = this;
    this.stdout.check();
    visit?.up?.check();
    this.taken = Math.max(this.taken, visit?.up?.count ?? 0);
  }
}

const refusal = (status: number, code: string, headers = ""): string =>
  `HTTP/1.1 ${status} x\r\nContent-Type: application/problem+json\r\n${headers}\r\n${JSON.stringify({ code, title: code, detail: "x\ny" })}`;

/** What came of it, to see that the gateways are neither all refused nor all nice. */
async function run(seed: number, url: string, meet: (scene: Scene) => void): Promise<string> {
  const scene = new Scene(seed, url);
  meet(scene);
  while (!scene.end) {
    if (scene.clock.now() > LONGEST_MS) throw new Error("the client does not end");
    scene.step();
    await turn();
    scene.check();
  }
  scene.visit?.socket.destroy();
  const { exitCode, message } = scene.end;
  expect(scene.clock.pending).toBe(0);
  expect([0, 255]).toContain(exitCode);
  expect(message ?? "").not.toMatch(/\p{Cc}/u);
  expect((message ?? "").length).toBeLessThan(3_000);
  // A clean end means that all of it was there and is written out.
  if (exitCode === 0) expect(scene.stdout.count).toBe(scene.total);
  return `${exitCode} ${message?.replace(/[\d.:]+/g, "N").slice(0, 30)}`;
}

test("T-01 T-05 T-06 T-11 whatever a gateway answers, the client ends in time with one line, and writes no byte twice", {
  timeout: 3_600_000,
}, async () => {
  let scene: Scene | undefined;
  const url = await startHostileGateway((visit) => scene?.meet(visit));
  const first = chosenSeed();
  const ends: Record<string, number> = {};
  for (let seed = first; seed < first + SEQUENCES; seed++) {
    try {
      const end = await run(seed, url, (next) => {
        scene = next;
      });
      ends[end] = (ends[end] ?? 0) + 1;
    } catch (cause) {
      throw new Error(`GPU_DEV_SEED=${seed}: ${(cause as Error).message}`, { cause });
    }
  }
  expect(Object.keys(ends).length).toBeGreaterThan(5);
  expect(Object.keys(ends).some((end) => end.startsWith("0 "))).toBe(true);
});
