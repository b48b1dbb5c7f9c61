/**
 * Two pumps and connections that break at random: no byte twice, none missing, none swapped, and no end before its time.
 * A failing run names its seed; GPU_DEV_SEED replays it.
 */
import { PassThrough, Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Ending, Pipe } from "../../src/tunnel/pipe.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeLink } from "./fake-link.ts";
import { byteAt, numbered } from "./numbered.ts";

const SEQUENCES = process.env.GPU_DEV_SOAK === undefined ? 3_000 : 100_000;
const STEPS = 60;
const PATIENCE = 2_000;

/** Checks every byte as it comes; holds what it was given until it is told to take it. */
class Checker extends Writable {
  count = 0;
  wrong: string | undefined;
  readonly #salt: number;
  #held: (() => void) | undefined;

  constructor(salt: number) {
    super({ highWaterMark: 64 });
    this.#salt = salt;
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    for (const byte of chunk) {
      if (byte !== byteAt(this.count, this.#salt)) this.wrong ??= `byte ${this.count}`;
      this.count += 1;
    }
    this.#held = done;
  }

  take(): void {
    const done = this.#held;
    this.#held = undefined;
    done?.();
  }
}

/** One end: a source of numbered bytes, a sink that checks, and the pump between them and the connection. */
class Side {
  readonly source = new PassThrough();
  readonly sink: Checker;
  readonly pipe: Pipe;
  written = 0;
  isDetached = true;
  ending: Ending | undefined;
  readonly #salt: number;

  constructor(role: "client" | "gateway", clock: FakeClock) {
    this.#salt = role === "client" ? 1 : 2;
    this.sink = new Checker(3 - this.#salt);
    this.pipe = new Pipe({
      role,
      source: this.source,
      sink: this.sink,
      clock,
      onBreak: () => {
        this.isDetached = true;
      },
    });
    void this.pipe.ended.then((ending) => {
      this.ending = ending;
    });
  }

  write(bytes: number): void {
    if (this.source.writableEnded) return;
    const from = this.written;
    this.written += bytes;
    this.source.write(numbered(from, bytes, this.#salt));
  }
}

class Scene {
  readonly random: () => number;
  readonly clock = new FakeClock();
  readonly client = new Side("client", this.clock);
  readonly gateway = new Side("gateway", this.clock);
  readonly window: number;
  links = [new FakeLink()];
  breaks = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.window = 10 + this.upTo(400);
    this.gateway.pipe.attach(this.link.wire("gateway", this.window));
    this.client.pipe.attach(this.link.wire("client", this.window));
    this.client.isDetached = this.gateway.isDetached = false;
  }

  get link(): FakeLink {
    return this.links[0] as FakeLink;
  }

  upTo(n: number): number {
    return Math.floor(this.random() * n);
  }

  one<T>(...choices: [T, ...T[]]): T {
    return choices[this.upTo(choices.length)] as T;
  }

  /** As Line and TunnelGateway do it; the answer of the gateway may be lost on the way. */
  redial(answerIsLost: boolean): void {
    if (!this.client.isDetached || this.client.ending || this.gateway.ending) return;
    const link = new FakeLink();
    const received = this.client.pipe.received;
    expect(this.gateway.pipe.keeps(received)).toBe(true);
    this.gateway.pipe.drop("taken over");
    const answer = this.gateway.pipe.received;
    this.gateway.isDetached = false;
    this.gateway.pipe.attach(link.wire("gateway", this.window), received);
    this.links = [link, ...this.links.slice(0, 3)];
    if (answerIsLost) return;
    this.client.isDetached = false;
    this.client.pipe.attach(link.wire("client", this.window), answer);
  }

  step(): void {
    const side = this.one("client" as const, "gateway" as const);
    const what = this.upTo(100);
    if (what < 40) this.#deliver(this.one(this.link, ...this.links), side);
    else if (what < 60) this[side].write(this.upTo(200));
    else if (what < 75) this[side].sink.take();
    else if (what < 85) this.clock.tick(this.one(50, 100, 15_000));
    else if (what < 90) this.redial(this.random() < 0.2);
    else if (what < 97) this.#cut(side);
    else if (what < 99 || this.client.source.writableEnded) this.client.source.end();
    else this.gateway.source.end();
  }

  /** Nothing breaks any more: all that is to come comes. */
  async finish(): Promise<void> {
    this.client.source.end();
    for (let i = 0; i < PATIENCE; i++) {
      if (this.client.ending && this.client.sink.writableLength === 0) return;
      this.redial(false);
      for (const side of ["client", "gateway"] as const) {
        while (this.link.deliver(side));
        this[side].sink.take();
      }
      this.clock.tick(100);
      await turn();
      if (this.gateway.sink.writableFinished) this.gateway.source.end();
    }
    throw new Error(`stuck: ${JSON.stringify([this.client.sink.count, this.gateway.sink.count])}`);
  }

  #deliver(link: FakeLink, side: "client" | "gateway"): void {
    for (let i = this.upTo(4); i >= 0; i--) link.deliver(side);
  }

  #cut(side: "client" | "gateway"): void {
    this.breaks += 1;
    this.link.cut(side);
    // What was on the way may be lost; or it arrives late.
    if (this.random() < 0.5) this.link[side].underway.length = 0;
  }
}

async function run(seed: number): Promise<number> {
  const scene = new Scene(seed);
  const { client, gateway, clock } = scene;
  for (let i = 0; i < STEPS; i++) {
    scene.step();
    await turn();
  }
  const early = gateway.source.writableEnded;
  await scene.finish();
  expect([client.sink.wrong, gateway.sink.wrong]).toEqual([undefined, undefined]);
  expect(client.ending).toEqual({ kind: "delivered" });
  expect(client.sink.count).toBe(gateway.written);
  // A pod that ends first wants no more.
  if (!early) expect(gateway.sink.count).toBe(client.written);
  client.pipe.lose("over");
  gateway.pipe.lose("over");
  expect(clock.pending).toBe(0);
  return scene.breaks;
}

test("T-11 whatever breaks and whenever, a reader sees every byte once and in order", {
  timeout: 3_600_000,
}, async () => {
  const first = chosenSeed();
  let breaks = 0;
  for (let seed = first; seed < first + SEQUENCES; seed++) {
    try {
      breaks += await run(seed);
    } catch (cause) {
      throw new Error(`GPU_DEV_SEED=${seed}: ${(cause as Error).message}`, { cause });
    }
  }
  expect(breaks).toBeGreaterThan(SEQUENCES);
});
