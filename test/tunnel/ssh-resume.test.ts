/** Real ssh and scp over a network that breaks: the user sees a pause, and then goes on. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { sshConfigFile } from "../../src/tunnel/ssh-config.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { Cutter, cutAt } from "./cutter.ts";
import { cleanEnv, giveSshConfig, outcome, pointTo, type Rig, startRig } from "./rig.ts";
import { type Sshd, startSshd } from "./sshd.ts";

const SIZE = (process.env.GPU_DEV_SOAK === undefined ? 64 : 1024) * 1024 * 1024;
const CUTS = process.env.GPU_DEV_SOAK === undefined ? 10 : 20;
const SEED = chosenSeed();

let sshd: Sshd;
let rig: Rig;
let cutter: Cutter;
let dir: string;

beforeAll(async () => {
  sshd = await startSshd();
  rig = await startRig({ dial: () => sshd.dial() });
  cutter = new Cutter(rig.port);
  await cutter.listen();
  pointTo(rig.home, cutter.url);
  dir = mkdtempSync(join(tmpdir(), "gpu-dev-ssh-"));
  await giveSshConfig(rig, sshd);
});

afterEach(() => expect.poll(() => rig.gateway.count()).toBe(0));

afterAll(async () => {
  await cutter.close();
  await rig.close();
  await sshd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const ALONE = ["-o", "ControlMaster=no", "-o", "ControlPath=none"];
const run = (program: string, args: string[]): ChildProcessWithoutNullStreams =>
  spawn(program, ["-F", sshConfigFile(rig.home), ...ALONE, ...args], { env: cleanEnv() });

const sumOf = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");
const resumes = (): number => rig.logs.filter((line) => line.includes("tunnel resumed")).length;

test("T-11 scp there and back, cut at random points, gives the same file", { timeout: 600_000 }, async () => {
  const random = randomFrom(SEED);
  const [file, there, back] = [join(dir, "file"), join(dir, "there"), join(dir, "back")];
  writeFileSync(file, randomFillSync(Buffer.alloc(SIZE)));
  for (const [from, to] of [
    [file, `hello:${there}`],
    [`hello:${there}`, back],
  ] as const) {
    const start = cutter.moved;
    const cuts = cutAt(
      cutter,
      Array.from({ length: CUTS }, () => start + Math.floor(random() * SIZE)),
    );
    const before = resumes();
    const { code, stderr } = await outcome(run("scp", ["-q", from, to]));
    expect([code, stderr], `seed ${SEED}`).toEqual([0, ""]);
    expect(cuts.left).toBe(0);
    expect(resumes() - before).toBeGreaterThan(CUTS / 3);
  }
  expect(sumOf(back)).toBe(sumOf(file));
});

/** How long there is no network: to the fifth refused dial, half a second after the cut; in soak, four minutes. */
const OUTAGE_MS = process.env.GPU_DEV_SOAK === undefined ? 0 : 240_000;
const PROBES = OUTAGE_MS > 0 ? 15 : 1;

/** The network is gone for a while: each dial is refused, or, in the long run, nothing is heard at all. */
async function outage(): Promise<void> {
  const since = Date.now();
  const dials = cutter.accepted;
  if (OUTAGE_MS > 0) cutter.silence();
  else {
    cutter.refusing = true;
    cutter.cut();
  }
  const isOver = () => cutter.accepted > dials + (OUTAGE_MS > 0 ? 1 : 4) && Date.now() - since >= OUTAGE_MS;
  await expect.poll(isOver, { timeout: OUTAGE_MS + 60_000, interval: 50 }).toBe(true);
  cutter.refusing = false;
  if (OUTAGE_MS === 0) return;
  cutter.speak();
  cutter.cut();
}

test.each([
  ["as configured", []],
  ["with ssh's own probes", ["-o", `ServerAliveInterval=${PROBES}`, "-o", "ServerAliveCountMax=20"]],
])(
  "T-11 T-10 a session in which somebody types goes on after a while without a network, %s",
  { timeout: 600_000 },
  async (_, options) => {
    const ssh = run("ssh", [...options, "hello", "cat"]);
    const ended = outcome(ssh);
    const typed = async (line: string): Promise<void> => {
      ssh.stdin.write(line);
      expect(((await once(ssh.stdout, "data")) as [Buffer])[0].toString()).toBe(line);
    };
    await typed("before\n");
    const back = outage();
    ssh.stdin.write("during\n");
    const [heard] = (await once(ssh.stdout, "data")) as [Buffer];
    expect(heard.toString()).toBe("during\n");
    await back;
    await typed("after\n");
    ssh.stdin.end();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  },
);
