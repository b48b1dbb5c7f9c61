/**
 * scp over all that networks do: packets are dropped, connections cut at both ends or at one, nothing gets through for a while,
 * the address changes. `npm test` copies a few MiB; `npm run soak` 1 GiB each way with 20 faults. GPU_DEV_SEED replays their
 * kinds and places. Needs root, python3 and TUN devices.
 */
import { spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { sshConfigFile } from "../../src/tunnel/ssh-config.ts";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { Cutter } from "./cutter.ts";
import { cleanEnv, giveSshConfig, outcome, pointTo } from "./rig.ts";
import { atEnd, given } from "./scene.ts";
import { startSshd } from "./sshd.ts";
import {
  canMakeNamespaces,
  hasTunDevices,
  lossyCable,
  move,
  onClient,
  serverUrl,
  serveThere,
} from "./two-places.ts";

const LONG = process.env.GPU_DEV_SOAK !== undefined;
const MIB = 1024 * 1024;
const SIZE = (LONG ? 1024 : 8) * MIB;
/** What is left to copy after the last fault, so that each finds bytes on their way. */
const REST = 4 * MIB;
const LOSS = 0.01;

interface Network {
  readonly cutter: Cutter;
  /** Drops all packets, or only its share of them. */
  drop(all: boolean): void;
  /** The client's machine gets another address. */
  moved(): void;
}

/** Real ssh and its tunnel on one machine, gateway and sshd on another, a bad cable and a cutter between them. */
async function badNetwork(): Promise<Network & { readonly config: string; resumes(): number }> {
  const sshd = await startSshd();
  atEnd(() => sshd.stop());
  const { rig } = await given(undefined, { dial: () => sshd.dial() });
  const cutter = new Cutter(rig.port);
  await cutter.listen();
  atEnd(() => cutter.close());
  const cable = await lossyCable(LOSS);
  await serveThere(rig, Number(new URL(cutter.url).port));
  pointTo(rig.home, serverUrl);
  await giveSshConfig(rig, sshd);
  let address = 1;
  return {
    cutter,
    drop: (all) => cable.drop(all),
    moved: () => move(++address),
    config: sshConfigFile(rig.home),
    resumes: () => rig.logs.filter((line) => line.includes("tunnel resumed")).length,
  };
}

interface Fault {
  happen(): unknown;
  /** After it, a new connection is made. */
  readonly breaks: boolean;
}

/** The faults of one copy; in the long run each kind several times, and those that take a minute. */
function faultsOf({ cutter, drop, moved }: Network): Fault[] {
  const dark = async (ms: number) => {
    drop(true);
    await pause(ms);
    drop(false);
  };
  const both: Fault = { happen: () => cutter.cut("both"), breaks: true };
  const client: Fault = { happen: () => cutter.cut("client"), breaks: true };
  // Noticed by nobody but TCP, which sends again.
  const short: Fault = { happen: () => dark(700), breaks: false };
  const halfOpenThenMoved: Fault = {
    happen() {
      cutter.cut("gateway");
      moved();
    },
    breaks: true,
  };
  const quick = [both, client, short, halfOpenThenMoved];
  if (!LONG) return quick;
  const move: Fault = { happen: moved, breaks: true };
  // Until the pings tell; and nothing at all for longer than a peer may be silent.
  const halfOpen: Fault = { happen: () => cutter.cut("gateway"), breaks: true };
  const long: Fault = { happen: () => dark(75_000), breaks: true };
  return [...quick, ...quick, ...quick, ...quick, move, move, halfOpen, long];
}

/** Lets the faults happen, each once, in an order and at places of the stream that the dice choose. */
function schedule(network: Network, dice: Dice): { readonly left: number } {
  const { cutter } = network;
  const places = faultsOf(network).map((fault) => ({ fault, at: cutter.moved + dice.upTo(SIZE - REST) }));
  const left = places.toSorted((a, b) => a.at - b.at);
  let waitsFor = 0;
  cutter.onMoved = async () => {
    const [next] = left;
    if (!next || cutter.moved < next.at || cutter.accepted < waitsFor) return;
    left.shift();
    waitsFor = next.fault.breaks ? cutter.accepted + 1 : Number.POSITIVE_INFINITY;
    await next.fault.happen();
    if (!next.fault.breaks) waitsFor = 0;
  };
  return {
    get left() {
      return left.length;
    },
  };
}

const sumOf = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

test.skipIf(!canMakeNamespaces() || !hasTunDevices())(
  "T-11 T-02 scp there and back over a network that drops, cuts, goes silent and changes the address: the same file",
  { timeout: LONG ? 3_600_000 : 300_000 },
  async () => {
    const seed = chosenSeed();
    const dice = new Dice(seed);
    const network = await badNetwork();
    const dir = mkdtempSync(join(tmpdir(), "gpu-dev-bad-network-"));
    atEnd(() => rmSync(dir, { recursive: true }));
    const [file, there, back] = [join(dir, "file"), join(dir, "there"), join(dir, "back")];
    writeFileSync(file, randomFillSync(Buffer.alloc(SIZE)));
    for (const [from, to] of [
      [file, `hello:${there}`],
      [`hello:${there}`, back],
    ] as const) {
      const faults = schedule(network, dice);
      const before = network.resumes();
      const words = ["scp", "-q", "-F", network.config, "-o", "ControlPath=none", from, to];
      const scp = spawn("nsenter", onClient(...words), { env: cleanEnv() });
      atEnd(() => scp.kill("SIGKILL"));
      const { code, stderr } = await outcome(scp);
      expect([code, stderr, faults.left], `GPU_DEV_SEED=${seed}`).toEqual([0, "", 0]);
      expect(network.resumes() - before).toBeGreaterThanOrEqual(LONG ? 10 : 1);
    }
    expect(sumOf(back)).toBe(sumOf(file));
  },
);
