/**
 * The tunnel beside plain ssh and beside a socat ProxyCommand, all in one run, since only the ratios mean something:
 * throughput up and down, the echo of 64 bytes, and the time to connect. Needs the build, sshd and socat.
 * Targets: throughput at least 0.7 of socat both ways; echo p50 at most 0.3 ms over plain ssh.
 * Usage: node bench/tunnel.ts [--mib 1024] [--rounds 3] [--echoes 4000] [--connects 15]
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeSshConfig } from "../src/tunnel/ssh-config.ts";
import { cleanEnv, DOMAIN, HOST, ID, type Rig, startRig } from "../test/tunnel/rig.ts";
import { type Sshd, startSshd } from "../test/tunnel/sshd.ts";
import { median, quantile } from "./median.ts";

const { values } = parseArgs({
  options: {
    mib: { type: "string", default: "1024" },
    rounds: { type: "string", default: "3" },
    echoes: { type: "string", default: "4000" },
    connects: { type: "string", default: "15" },
  },
});
const BYTES = Number(values.mib) * 1024 * 1024;
const MESSAGE = Buffer.alloc(64, "x");
const VARIANTS = ["plain", "socat", "tunnel"] as const;
type Variant = (typeof VARIANTS)[number];
type Figures = Record<Variant, number[]>;

let sshd: Sshd;
let rig: Rig;

/** The arguments of ssh that lead to the same sshd one way or the other. */
function way(variant: Variant): string[] {
  const common = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-c", "aes128-gcm@openssh.com"];
  if (variant === "tunnel") return ["-F", join(rig.home.stateDir, "ssh_config"), ...common, "bench"];
  const direct = ["-F", "none", "-i", sshd.identity, "-o", `HostKeyAlias=${HOST}`];
  const known = ["-o", `UserKnownHostsFile=${join(rig.home.stateDir, "known_hosts")}`];
  const socat = ["-o", `ProxyCommand=socat - TCP:127.0.0.1:${sshd.port},nodelay`];
  const through = variant === "socat" ? socat : ["-p", String(sshd.port)];
  return [...direct, ...known, ...common, ...through, "-l", sshd.user, "127.0.0.1"];
}

function ssh(
  variant: Variant,
  command: string,
  stdin: "ignore" | "pipe" | Readable,
  stdout: "ignore" | "pipe",
): ChildProcess {
  const stdio: StdioOptions = [stdin, stdout, "inherit"];
  return spawn("ssh", [...way(variant), command], { stdio, env: cleanEnv() });
}

/** Milliseconds until it has ended well. */
async function ended(child: ChildProcess): Promise<number> {
  const start = performance.now();
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`ssh exited with ${code}`);
  return performance.now() - start;
}

async function each(rounds: number, measure: (variant: Variant) => Promise<number>): Promise<Figures> {
  const figures: Figures = { plain: [], socat: [], tunnel: [] };
  for (let round = 0; round < rounds; round++)
    for (const variant of VARIANTS) figures[variant].push(await measure(variant));
  return figures;
}

/** MiB/s. */
const rate = (ms: number): number => BYTES / 1024 / 1024 / (ms / 1000);

const up = async (variant: Variant): Promise<number> => {
  // A pipe from one process to the other: this one is the gateway too, and has no time to move bytes.
  const zeroes = spawn("head", ["-c", String(BYTES), "/dev/zero"], { stdio: ["ignore", "pipe", "inherit"] });
  return rate(await ended(ssh(variant, "cat >/dev/null", zeroes.stdout, "ignore")));
};
const down = async (variant: Variant): Promise<number> =>
  rate(await ended(ssh(variant, `head -c ${BYTES} /dev/zero`, "ignore", "ignore")));
const connect = (variant: Variant): Promise<number> => ended(ssh(variant, "true", "ignore", "ignore"));

/** Milliseconds of each echo; all ways take turns, so that a busy moment hits all of them. */
async function echoes(count: number): Promise<Figures> {
  const figures: Figures = { plain: [], socat: [], tunnel: [] };
  const children = VARIANTS.map((variant) => ({ variant, child: ssh(variant, "cat", "pipe", "pipe") }));
  for (let i = -100; i < count; i++)
    for (const { variant, child } of children) {
      const ms = await echo(child);
      if (i >= 0) figures[variant].push(ms);
    }
  for (const { child } of children) child.stdin?.end();
  await Promise.all(children.map(({ child }) => once(child, "close")));
  return figures;
}

async function echo(child: ChildProcess): Promise<number> {
  const start = performance.now();
  const back = once(child.stdout as NodeJS.ReadableStream, "data");
  child.stdin?.write(MESSAGE);
  await back;
  return performance.now() - start;
}

function printRates(what: string, figures: Figures): void {
  const [plain, socat, tunnel] = VARIANTS.map((variant) => median(figures[variant])) as [
    number,
    number,
    number,
  ];
  const all = `plain ${plain.toFixed(0)}, socat ${socat.toFixed(0)}, tunnel ${tunnel.toFixed(0)} MiB/s`;
  console.log(`${what.padEnd(5)} tunnel/socat ${(tunnel / socat).toFixed(2)} (target 0.7)   ${all}`);
}

function printTimes(what: string, share: number, figures: Figures, target: string): void {
  const [plain, socat, tunnel] = VARIANTS.map((variant) => quantile(figures[variant], share)) as [
    number,
    number,
    number,
  ];
  const all = `plain ${plain.toFixed(2)}, socat ${socat.toFixed(2)}, tunnel ${tunnel.toFixed(2)} ms`;
  console.log(`${what} tunnel-plain ${(tunnel - plain).toFixed(2)} ms (${target})   ${all}`);
}

async function measure(): Promise<void> {
  const rounds = Number(values.rounds);
  printRates("up", await each(rounds, up));
  printRates("down", await each(rounds, down));
  const echoed = await echoes(Number(values.echoes));
  printTimes("echo p50", 0.5, echoed, "target 0.3");
  printTimes("echo p99", 0.99, echoed, "target 2");
  printTimes("connect ", 0.5, await each(Number(values.connects), connect), "target 60 and one round trip");
}

const proxyScript = fileURLToPath(new URL("../bin/gpu-dev-ssh-proxy.js", import.meta.url));
if (!existsSync(fileURLToPath(new URL("../dist/ssh-proxy.js", import.meta.url))))
  throw new Error("run `npm run build` first");
sshd = await startSshd();
rig = await startRig({ dial: () => sshd.dial() });
try {
  const entry = { id: ID, name: "bench", host: HOST, user: sshd.user, hostKey: sshd.hostKey };
  const env = { GPU_DEV_HOME: rig.home.stateDir };
  await writeSshConfig(rig.home, {
    context: "test",
    domain: DOMAIN,
    node: process.execPath,
    proxyScript,
    entries: [entry],
    env,
  });
  copyFileSync(sshd.identity, join(rig.home.stateDir, "id_ed25519"));
  await measure();
} finally {
  await rig.close();
  await sshd.stop();
}
