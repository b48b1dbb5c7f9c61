/** The client of a tunnel in this process, with a clock, a time of day and network addresses that the test changes. */
import { PassThrough } from "node:stream";
import { afterEach, expect } from "vitest";
import { TunnelClient, type TunnelOptions } from "../../src/tunnel/client.ts";
import { FakeClock } from "./fake-clock.ts";
import { ID, TOKEN } from "./rig.ts";

class World {
  readonly clock = new FakeClock();
  time = 0;
  addresses = new Set(["127.0.0.1", "::1"]);
}

export interface Client {
  readonly client: TunnelClient;
  readonly world: World;
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  /** What the set-up waited for. */
  readonly waits: string[];
  /** Undefined until it has ended. */
  end: { exitCode: number; message: string | undefined } | undefined;
}

const clients: Client[] = [];

/** Every client is told to end, and leaves no timer. */
afterEach(async () => {
  for (const { client, world } of clients.splice(0)) {
    client.hangUp();
    await client.done;
    await expect.poll(() => world.clock.pending, { message: "a timer was left behind" }).toBe(0);
  }
});

/** Dials `url` from now on. */
export function startClient(url: string, options: Partial<TunnelOptions> = {}): Client {
  const world = new World();
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const waits: string[] = [];
  const client = new TunnelClient({
    server: () => ({ url, token: TOKEN, origin: "a test" }),
    pod: async () => ({ reservation: ID, node: 0 }),
    port: 22,
    stdin,
    stdout,
    onWait: (why) => waits.push(why),
    clock: world.clock,
    surroundings: { wallClock: () => world.time, addresses: () => new Set(world.addresses) },
    ...options,
  });
  const started: Client = { client, world, stdin, stdout, waits, end: undefined };
  void client.done.then((end) => {
    started.end = end;
  });
  clients.push(started);
  return started;
}

/** Lets time go by in small steps until `done`, since what it waits for crosses real sockets; returns how much went by. */
export async function pass(
  { world }: Client,
  done: () => boolean | undefined,
  { step = 100, most = 600_000 }: { step?: number; most?: number } = {},
): Promise<number> {
  const since = world.clock.now();
  while (!done()) {
    if (world.clock.now() - since > most)
      throw new Error(`nothing happened for ${most} ms of the test's clock`);
    world.time += step;
    world.clock.tick(step);
    await new Promise((next) => setTimeout(next, 2));
  }
  return world.clock.now() - since;
}
