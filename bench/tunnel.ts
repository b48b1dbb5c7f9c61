/**
 * The tunnel beside plain ssh, beside a socat ProxyCommand and beside a bare pipe of two Node processes, all in one run, since only
 * the ratios mean something: throughput, CPU and memory up and down, the echo of 64 bytes idle and beside a bulk transfer, and the
 * time to connect.
 * A throughput ratio is the median of the rounds' own ratios: other work on the machine hits all of a round.
 * Targets: throughput at least 0.7 of socat (wss 0.5); connect at most 60 ms over plain ssh, plus one round trip; echo of 64
 * bytes at most 0.2 ms (p50) and 2 ms (p99) over plain ssh.
 * Usage: node bench/tunnel.ts [--mib 1024] [--rounds 5] [--echoes 4000] [--connects 15]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { median, quantile } from "./median.ts";
import { type NodeVariant, openWays, VARIANTS, type Variant } from "./ways.ts";

const { values } = parseArgs({
  options: {
    mib: { type: "string", default: "1024" },
    rounds: { type: "string", default: "5" },
    echoes: { type: "string", default: "4000" },
    connects: { type: "string", default: "15" },
  },
});
const BYTES = Number(values.mib) * 1024 * 1024;
const GIB = Number(values.mib) / 1024;
const MESSAGE = Buffer.alloc(64, "x");
/** Until V8 has compiled what an echo runs through, at both ends. */
const WARM_UP_ECHOES = 1000;
type Figures = Record<Variant, number[]>;
const noFigures = (): Figures => ({ plain: [], socat: [], node: [], ws: [], wss: [] });

const ways = await openWays();

/** Milliseconds until it has ended well. */
async function ended(child: ChildProcess): Promise<number> {
  const start = performance.now();
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`ssh exited with ${code}`);
  return performance.now() - start;
}

async function each(rounds: number, measure: (variant: Variant) => Promise<number>): Promise<Figures> {
  const figures = noFigures();
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
  return rate(await ended(ways.ssh(variant, "cat >/dev/null", { stdin: zeroes.stdout, measured: true })));
};
const down = async (variant: Variant): Promise<number> =>
  rate(await ended(ways.ssh(variant, `head -c ${BYTES} /dev/zero`, { measured: true })));
const connect = (variant: Variant): Promise<number> => ended(ways.ssh(variant, "true"));

/** What the tunnel's two ends use for a GiB, one after the other; a client's start is in it. */
async function cost(variant: NodeVariant, transfer: (variant: Variant) => Promise<number>): Promise<string> {
  const before = ways.gatewayUsage(variant);
  await transfer(variant);
  const client = await ways.clientUsage();
  const after = ways.gatewayUsage(variant);
  const each = [client.cpuS, after.cpuS - before.cpuS].map((s) => (s / GIB).toFixed(2));
  return `client ${each[0]} CPU s/GiB, peak ${client.peakMiB.toFixed(0)} MiB; gateway ${each[1]} CPU s/GiB, peak ${after.peakMiB.toFixed(0)} MiB`;
}

/** Milliseconds of each echo; all ways take turns, so that a busy moment hits all of them. */
async function echoes(count: number): Promise<Figures> {
  const figures = noFigures();
  const children = VARIANTS.map((variant) => ({
    variant,
    child: ways.ssh(variant, "cat", { stdin: "pipe", stdout: "pipe" }),
  }));
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

/** The same while a transfer without end runs through the ws gateway: what the bulk of one costs the keys of all. */
async function echoesBesideBulk(count: number): Promise<Figures> {
  const bulk = ways.ssh("ws", "cat /dev/zero");
  try {
    return await echoes(count);
  } finally {
    bulk.kill();
    await once(bulk, "close");
  }
}

function printRates(what: string, figures: Figures): void {
  for (const [variant, target] of [
    ["node", "none: what a bare pipe costs"],
    ["ws", "target 0.7"],
    ["wss", "target 0.5"],
  ] as const) {
    const ratios = figures[variant].map((rate, round) => rate / (figures.socat[round] ?? Number.NaN));
    const range = `${quantile(ratios, 0).toFixed(2)} to ${quantile(ratios, 1).toFixed(2)}`;
    console.log(`${what} ${variant}/socat ${median(ratios).toFixed(2)} (${range}, ${target})`);
  }
  const rates = VARIANTS.map((variant) => `${variant} ${median(figures[variant]).toFixed(0)}`);
  console.log(`${what} ${rates.join(", ")} MiB/s`);
}

function printTimes(what: string, share: number, figures: Figures, target: string): void {
  const [plain = Number.NaN, ...others] = VARIANTS.map((variant) => quantile(figures[variant], share));
  const over = others.map((ms, i) => `${VARIANTS[i + 1]} +${(ms - plain).toFixed(2)}`);
  console.log(`${what} plain ${plain.toFixed(2)} ms, over it: ${over.join(", ")} ms (${target})`);
}

function printEchoes(what: string, figures: Figures): void {
  printTimes(`${what} p50`, 0.5, figures, "target 0.2");
  printTimes(`${what} p99`, 0.99, figures, "target 2");
}

try {
  const rounds = Number(values.rounds);
  printRates("up", await each(rounds, up));
  printRates("down", await each(rounds, down));
  for (const variant of ["node", "ws", "wss"] as const)
    for (const [direction, transfer] of Object.entries({ up, down }))
      console.log(`${direction} ${variant} ${await cost(variant, transfer)}`);
  printEchoes("echo", await echoes(Number(values.echoes)));
  printEchoes("echo beside a bulk transfer", await echoesBesideBulk(Math.ceil(Number(values.echoes) / 10)));
  printTimes("connect", 0.5, await each(Number(values.connects), connect), "target 60 and one round trip");
} finally {
  await ways.close();
}
