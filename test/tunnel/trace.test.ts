/** GPU_DEV_SSH_DEBUG: the ssh-proxy tells a file what it does, and nobody else. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startConnectProxy } from "./connect-proxy.ts";
import { Cutter } from "./cutter.ts";
import { cleanEnv, type Ended, outcome, pointTo, type Rig, TOKEN } from "./rig.ts";
import { atEnd, given, start } from "./scene.ts";

const debugging = (file: string, more: NodeJS.ProcessEnv = {}): { env: NodeJS.ProcessEnv } => ({
  env: { ...cleanEnv(), GPU_DEV_SSH_DEBUG: file, ...more },
});

/** The trace without times and pids: "EVENT KEY=VALUE …". */
const eventsOf = (file: string): string[] =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ /, ""));

/** One line typed, and the end of stdin once it came back. */
async function run(rig: Rig, options: { env: NodeJS.ProcessEnv }): Promise<Ended> {
  const child = start(rig, options);
  const ended = outcome(child);
  child.stdin?.write("payload");
  child.stdout?.once("data", () => child.stdin?.end());
  return ended;
}

test("T-05 T-07 a trace tells dials, phases, offsets, breaks and the end, without secrets or payload", async () => {
  const { rig } = await given((socket) => socket.pipe(socket));
  const cutter = new Cutter(rig.port);
  atEnd(() => cutter.close());
  await cutter.listen();
  pointTo(rig.home, cutter.url);
  const file = join(rig.home.stateDir, "trace");
  writeFileSync(file, "what was there before\n", { mode: 0o644 });
  const child = start(rig, debugging(file));
  const ended = outcome(child);
  child.stdin?.write("payload");
  await once(child.stdout as NodeJS.ReadableStream, "data");
  cutter.cut();
  await expect.poll(() => eventsOf(file).filter((event) => event.startsWith("attached")).length).toBe(2);
  child.stdin?.end("payload");
  expect(await ended).toMatchObject({ code: 0, stderr: "", stdout: Buffer.from("payloadpayload") });
  const [before, ...events] = eventsOf(file);
  expect(before).toBe("what was there before");
  const kinds = events.map((event) => event.split(" ")[0]);
  const told = [
    "start",
    "dial",
    "connected",
    "answer",
    "attached",
    "broken",
    "dial",
    "answer",
    "attached",
    "over",
    "exit",
  ];
  expect(kinds.filter((kind) => told.includes(kind ?? ""))).toEqual(told.toSpliced(7, 0, "connected"));
  expect(events).toContainEqual(
    expect.stringMatching(/^dial attempt=2 .*session=gw\.[0-9a-f]{32} received=7$/),
  );
  expect(events).toContainEqual(expect.stringMatching(/^answer status=101 session=gw\./));
  expect(events).toContainEqual("stdin-ended sent=14");
  expect(events).toContainEqual('heard line="end 14"');
  expect(events.at(-1)).toBe("exit code=0");
  const text = readFileSync(file, "utf8");
  expect(text).not.toContain(TOKEN);
  expect(text).not.toContain("payload");
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("T-05 T-17 a refusal and a proxy are in the trace, the proxy's password is not", async () => {
  const { rig } = await given();
  const proxy = await startConnectProxy({ login: "ada:hunter2" });
  pointTo(rig.home, `http://gpu.test:${rig.port}`, "another-token");
  const file = join(rig.home.stateDir, "trace");
  const HTTP_PROXY = proxy.url.replace("://", "://ada:hunter2@");
  expect((await run(rig, debugging(file, { HTTP_PROXY }))).stderr).toContain("Not logged in");
  const events = eventsOf(file);
  expect(events).toContainEqual(
    expect.stringMatching(/^dial attempt=1 host=gpu\.test:\d+ .*proxy=127\.0\.0\.1:/),
  );
  expect(events).toContain("proxy-connected");
  expect(events).toContainEqual(expect.stringMatching(/^answer status=401 /));
  expect(events.at(-1)).toMatch(/^exit code=255 message="Not logged in: /);
  expect(readFileSync(file, "utf8")).not.toMatch(/hunter2|another-token/);
});

test("T-05 a trace that cannot be written is one line on stderr, and the tunnel works", async () => {
  const { rig } = await given((socket) => socket.pipe(socket));
  const fifo = join(rig.home.stateDir, "fifo");
  execFileSync("mkfifo", [fifo]);
  for (const file of [join(rig.home.stateDir, "no", "such"), rig.home.stateDir, fifo, "/dev/full"]) {
    const { code, stdout, stderr } = await run(rig, debugging(file));
    expect([code, stdout.toString()]).toEqual([0, "payload"]);
    expect(stderr).toMatch(/^gpu-dev: no trace in [^\n]* \(GPU_DEV_SSH_DEBUG\): Error: E[^\n]+\n$/);
  }
});
