/** The client while its connection is broken: when it dials again, for how long, and what it says in the end. */
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { type Client, pass, startClient } from "./client-scene.ts";
import { Cutter } from "./cutter.ts";
import type { Rig, RigOptions } from "./rig.ts";
import { TOKEN } from "./rig.ts";
import { atEnd, given as givenRig, listen } from "./scene.ts";
import type { TestPod } from "./test-pod.ts";

interface Scene extends Client {
  readonly rig: Rig;
  readonly pod: TestPod;
  readonly cutter: Cutter;
  /** Where the next dial goes. */
  url: string;
  /** True while the server cannot be told. */
  unreadable: () => boolean;
}

/** A client that has had "hello" through a network of ours. */
async function given(options: RigOptions = {}): Promise<Scene> {
  const { rig, pod } = await givenRig((socket: Socket) => socket.write("hello"), options);
  const cutter = new Cutter(rig.port);
  atEnd(() => cutter.close());
  await cutter.listen();
  const server = () => {
    if (scene.unreadable()) throw new SyntaxError("credentials.json is not valid JSON");
    return { url: scene.url, token: TOKEN, origin: "a test" };
  };
  const network = { rig, pod, cutter, url: cutter.url, unreadable: () => false };
  const scene: Scene = Object.assign(startClient("", { server }), network);
  await expect.poll(() => String(scene.stdout.read() ?? "")).toBe("hello");
  return scene;
}

const attempts = ({ rig }: Scene): number =>
  rig.logs.filter((line) => line.includes("tunnel resumed")).length;

/** Bytes go both ways. */
async function works({ stdin, stdout, pod }: Scene): Promise<void> {
  const [socket] = pod.accepted as [Socket];
  socket.once("data", (data) => socket.write(data));
  stdin.write("ping!");
  await expect.poll(() => stdout.read()?.toString()).toBe("ping!");
}

test("T-11 a broken connection is dialled again at once", async () => {
  const scene = await given();
  scene.cutter.cut();
  await works(scene);
  expect(scene.world.clock.now()).toBe(0);
});

test("T-11 the client tries for as long as its gateway keeps the session", async () => {
  const scene = await given({ detachMs: 20_000 });
  scene.cutter.refusing = true;
  scene.cutter.cut();
  const took = await pass(scene, () => scene.end !== undefined);
  expect(took).toBeGreaterThan(19_000);
  expect(took).toBeLessThan(60_000);
  expect(scene.end).toMatchObject({ exitCode: 255 });
});

test("T-11 pauses grow from 50 ms to 10 s; after 5 minutes the tunnel ends with one line", async () => {
  const scene = await given();
  scene.cutter.refusing = true;
  scene.cutter.cut();
  // The first one comes without any pause.
  await expect.poll(() => scene.cutter.accepted).toBe(2);
  const dials: number[] = [];
  let before = scene.cutter.accepted;
  await pass(
    scene,
    () => {
      for (; before < scene.cutter.accepted; before++) dials.push(scene.world.clock.now());
      return scene.end !== undefined;
    },
    { step: 200 },
  );
  expect(await scene.client.done).toEqual({
    exitCode: 255,
    message: expect.stringMatching(
      /^the connection to 127\.0\.0\.1:\d+ was lost \(the connection was cut\) and did not come back: .* cannot be reached \(ECONNRESET\).*; connect again$/,
    ),
  });
  expect(dials[0]).toBeLessThan(1_000);
  expect(dials.length).toBeGreaterThan(30);
  expect(dials.length).toBeLessThan(80);
  expect(scene.world.clock.now()).toBeGreaterThan(299_000);
  expect(scene.world.clock.now()).toBeLessThan(315_000);
});

test("T-10 T-11 a connection that went silent is noticed after 60 s, and replaced", async () => {
  const scene = await given();
  scene.cutter.silence();
  scene.stdin.write("lost in the silence");
  const waited = await pass(scene, () => {
    if (scene.world.clock.now() >= 45_000) scene.cutter.speak();
    return attempts(scene) > 0;
  });
  expect(waited).toBeGreaterThanOrEqual(60_000);
  expect(waited).toBeLessThan(90_000);
  await expect.poll(() => scene.pod.accepted[0]?.read()?.toString()).toBe("lost in the silence");
});

test("T-11 a computer that slept dials anew at once, though nothing has told it that the connection is dead", async () => {
  const scene = await given();
  scene.cutter.silence();
  scene.cutter.speak();
  scene.world.time += 3_600_000;
  scene.world.clock.tick(2_000);
  await expect.poll(() => attempts(scene)).toBe(1);
  await works(scene);
});

test("T-11 in the middle of a long pause, waking up or a new address dials at once", async () => {
  const scene = await given();
  for (const change of [() => (scene.world.time += 60_000), () => scene.world.addresses.add("192.0.2.7")]) {
    scene.cutter.refusing = true;
    scene.cutter.cut();
    await pass(scene, () => scene.world.clock.now() % 300_000 > 60_000);
    scene.cutter.refusing = false;
    const before = attempts(scene);
    change();
    scene.world.clock.tick(2_000);
    await expect.poll(() => attempts(scene)).toBe(before + 1);
    await works(scene);
  }
});

test("T-11 a dial that gets no answer is given up for a new one when the computer wakes up", async () => {
  const scene = await given();
  scene.cutter.silence();
  scene.cutter.cut();
  await expect.poll(() => scene.cutter.accepted).toBe(2);
  scene.cutter.speak();
  scene.world.time += 60_000;
  scene.world.clock.tick(2_000);
  await works(scene);
  expect(scene.cutter.accepted).toBe(3);
});

test("T-11 a connection whose own address is gone is replaced; one whose address stays is left alone", async () => {
  const scene = await given();
  scene.world.addresses.add("192.0.2.7");
  scene.world.clock.tick(2_000);
  scene.world.addresses.delete("192.0.2.7");
  scene.world.clock.tick(2_000);
  await works(scene);
  expect(attempts(scene)).toBe(0);
  scene.world.addresses.delete("127.0.0.1");
  scene.world.clock.tick(2_000);
  await expect.poll(() => attempts(scene)).toBe(1);
  await works(scene);
});

test("T-11 a foreign answer on the way back, such as a hotel's login page, is waited out", async () => {
  const scene = await given();
  let asked = 0;
  const portal = createServer((_, response) => {
    asked += 1;
    response.writeHead(302, { location: "/login" }).end("<html>");
  });
  scene.url = `http://127.0.0.1:${await listen(portal)}`;
  scene.cutter.cut();
  await pass(scene, () => asked >= 3);
  scene.url = scene.cutter.url;
  await pass(scene, () => attempts(scene) === 1);
  await works(scene);
});

test("T-11 T-07 credentials that cannot be read for a moment, since they are being replaced, are waited for", async () => {
  const scene = await given();
  let asked = 0;
  scene.unreadable = () => ++asked <= 3;
  scene.cutter.cut();
  await pass(scene, () => attempts(scene) === 1);
  expect(asked).toBe(4);
  await works(scene);
});

test("T-11 a connection that breaks again and again without a byte is dialled ever more slowly", async () => {
  const scene = await given();
  for (let i = 0; i < 8; i++) {
    scene.cutter.cut();
    await pass(scene, () => attempts(scene) > i, { step: 20 });
  }
  expect(scene.world.clock.now()).toBeGreaterThan(1_000);
  await works(scene);
});

test("T-11 connections that break before a byte moved end with the window, not with ever more dials", async () => {
  const scene = await given({ detachMs: 20_000 });
  // Answered, and cut before anything can move.
  scene.rig.server.on("upgrade", () => setImmediate(() => scene.cutter.cut()));
  scene.cutter.cut();
  await pass(scene, () => scene.end !== undefined, { most: 120_000 });
  expect(scene.end).toMatchObject({ exitCode: 255 });
});

test("T-11 the copy of a dial that something on the way sent again does not end the session", async () => {
  const scene = await given();
  // As a proxy whose upstream broke: the gateway has the number already when the client's own request comes.
  const copied = new Promise<void>((done) => {
    scene.rig.server.prependOnceListener("upgrade", (request) => {
      request.headers["gpu-dev-attempt"] = "1";
      done();
    });
  });
  scene.cutter.cut();
  await copied;
  await pass(scene, () => attempts(scene) > 0);
  await works(scene);
});

test("T-11 T-09 while the connection is broken, stdin is read up to the window and no further", async () => {
  const scene = await given();
  scene.cutter.refusing = true;
  scene.cutter.cut();
  await expect.poll(() => scene.cutter.accepted).toBeGreaterThan(1);
  let offered = 0;
  for (; offered < 64 && scene.stdin.writableLength === 0; offered++) {
    scene.stdin.write(Buffer.alloc(1024 * 1024));
    await new Promise((done) => setImmediate(done));
  }
  expect(offered).toBeGreaterThan(7);
  expect(offered).toBeLessThan(12);
});
