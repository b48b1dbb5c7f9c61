/**
 * The tunnel beside plain ssh and beside a socat ProxyCommand, all in one run, since only the ratios mean something:
 * throughput up and down, the echo of 64 bytes, and the time to connect. Needs the build, sshd and socat.
 * A throughput ratio is the median of the rounds' own ratios: other work on the machine hits all of a round.
 * Targets: throughput at least 0.7 of socat both ways; echo p50 at most 0.2 ms over plain ssh.
 * Usage: node bench/tunnel.ts [--mib 1024] [--rounds 5] [--echoes 4000] [--connects 15]
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeSshConfig } from "../src/tunnel/ssh-config.ts";
import { cleanEnv, DOMAIN, HOST, ID, pointTo, type Rig, startRig } from "../test/tunnel/rig.ts";
import { type Sshd, startSshd } from "../test/tunnel/sshd.ts";
import { median, quantile } from "./median.ts";

const { values } = parseArgs({
  options: {
    mib: { type: "string", default: "1024" },
    rounds: { type: "string", default: "5" },
    echoes: { type: "string", default: "4000" },
    connects: { type: "string", default: "15" },
  },
});
const BYTES = Number(values.mib) * 1024 * 1024;
const MESSAGE = Buffer.alloc(64, "x");
/** Until V8 has compiled what an echo runs through, at both ends. */
const WARM_UP_ECHOES = 1000;
const VARIANTS = ["plain", "socat", "tunnel"] as const;
type Variant = (typeof VARIANTS)[number];
type Figures = Record<Variant, number[]>;

let sshd: Sshd;
let rig: Rig;
let gateway: ChildProcess;

/** As in production the gateway has a process of its own: in this one it would wait for what measures it. */
async function startGateway(): Promise<ChildProcess> {
  const script = fileURLToPath(new URL("../test/tunnel/gateway-process.ts", import.meta.url));
  const stdio: StdioOptions = ["ignore", "pipe", "inherit"];
  const child = spawn(process.execPath, [script, String(sshd.port)], { env: cleanEnv(), stdio });
  const [port] = (await once(child.stdout as Readable, "data")) as [Buffer];
  pointTo(rig.home, `http://127.0.0.1:${port.toString().trim()}`);
  return child;
}

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
  for (let round = 0; round < rounds; round++) {
    // Back and forth, so that no way always runs first.
    const order = round % 2 === 0 ? VARIANTS : [...VARIANTS].reverse();
    for (const variant of order) figures[variant].push(await measure(variant));
  }
  return figures;
}

/** MiB/s. */
const rate = (ms: number): number => BYTES / 1024 / 1024 / (ms / 1000);

const up = async (variant: Variant): Promise<number> => {
  // A pipe from one process to the other: through this one, the bytes would cost time of their own.
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
  for (let i = -WARM_UP_ECHOES; i < count; i++)
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
  const ratios = figures.tunnel.map((rate, round) => rate / (figures.socat[round] ?? Number.NaN));
  const ratio = `tunnel/socat ${median(ratios).toFixed(2)} (${quantile(ratios, 0).toFixed(2)} to ${quantile(ratios, 1).toFixed(2)}, target 0.7)`;
  const rates = VARIANTS.map((variant) => `${variant} ${median(figures[variant]).toFixed(0)}`);
  console.log(`${what.padEnd(5)} ${ratio}   ${rates.join(", ")} MiB/s`);
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
  printTimes("echo p50", 0.5, echoed, "target 0.2");
  printTimes("echo p99", 0.99, echoed, "target 2");
  printTimes("connect ", 0.5, await each(Number(values.connects), connect), "target 60 and one round trip");
}

const proxyScript = fileURLToPath(new URL("../bin/gpu-dev-ssh-proxy.js", import.meta.url));
if (!existsSync(fileURLToPath(new URL("../dist/ssh-proxy.js", import.meta.url))))
  throw new Error("run `npm run build` first");
sshd = await startSshd();
rig = await startRig();
gateway = await startGateway();
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
  gateway.kill("SIGKILL");
  await once(gateway, "exit");
  await rig.close();
  await sshd.stop();
}
