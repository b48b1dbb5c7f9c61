/**
 * The tunnel beside plain ssh, beside a socat ProxyCommand and beside a bare pipe of two Node processes, all in one run, since only
 * the ratios mean something: throughput, CPU and memory up and down, the echo of 64 bytes idle and beside a bulk transfer, and the
 * time to connect.
 * A throughput ratio is the median of the rounds' own ratios: other work on the machine hits all of a round.
 * Targets: throughput at least 0.7 of socat (wss 0.5); connect at most 60 ms over plain ssh, plus one round trip; echo of 64
 * bytes at most 0.2 ms (p50) and 2 ms (p99) over plain ssh. The first echoes of a session run through code that V8 has not compiled yet.
 * At the end come the rows of the README's table.
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
/** What a person types in a minute. */
const FIRST_ECHOES = 200;
type Figures = Record<Variant, number[]>;
const noFigures = (): Figures => ({ plain: [], socat: [], node: [], ws: [], wss: [] });

/** Of the README's table. */
const rows: string[] = [];
function addRow(title: string, cell: (variant: NodeVariant) => string): void {
  rows.push(`| ${title} | ${cell("ws")} | ${cell("wss")} | ${cell("node")} |`);
}

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

interface Cost {
  readonly clientS: number;
  readonly clientMiB: number;
  readonly gatewayS: number;
  readonly gatewayMiB: number;
}

/** What the tunnel's two ends use for a GiB, one after the other; a client's start is in it. */
async function cost(variant: NodeVariant, transfer: (variant: Variant) => Promise<number>): Promise<Cost> {
  const before = ways.gatewayUsage(variant);
  await transfer(variant);
  const client = await ways.clientUsage();
  const after = ways.gatewayUsage(variant);
  return {
    clientS: client.cpuS / GIB,
    clientMiB: client.peakMiB,
    gatewayS: (after.cpuS - before.cpuS) / GIB,
    gatewayMiB: after.peakMiB,
  };
}

async function printCosts(): Promise<void> {
  const costs = {} as Record<NodeVariant, readonly [up: Cost, down: Cost]>;
  for (const variant of ["node", "ws", "wss"] as const) {
    costs[variant] = [await cost(variant, up), await cost(variant, down)];
    for (const [i, { clientS, clientMiB, gatewayS, gatewayMiB }] of costs[variant].entries())
      console.log(
        `${["up", "down"][i]} ${variant} client ${clientS.toFixed(2)} CPU s/GiB, peak ${clientMiB.toFixed(0)} MiB; gateway ${gatewayS.toFixed(2)} CPU s/GiB, peak ${gatewayMiB.toFixed(0)} MiB`,
      );
  }
  const both = (pick: (cost: Cost) => string) => (variant: NodeVariant) =>
    costs[variant].map(pick).join(", ");
  const seconds = "CPU seconds for a GiB, up and down:";
  addRow(
    `${seconds} the user's end (its start included)`,
    both(({ clientS }) => clientS.toFixed(1)),
  );
  addRow(
    `${seconds} the gateway`,
    both(({ gatewayS }) => gatewayS.toFixed(1)),
  );
  const peaks = both(({ clientMiB }) => clientMiB.toFixed(0));
  addRow("peak memory of the user's end, up and down", (variant) => `${peaks(variant)} MiB`);
}

interface Echoes {
  readonly first: Figures;
  readonly later: Figures;
}

/** Milliseconds of each echo; all ways take turns, so that a busy moment hits all of them. */
async function echoes(count: number): Promise<Echoes> {
  const [first, later] = [noFigures(), noFigures()];
  const children = VARIANTS.map((variant) => ({
    variant,
    child: ways.ssh(variant, "cat", { stdin: "pipe", stdout: "pipe" }),
  }));
  for (let i = -WARM_UP_ECHOES; i < count; i++)
    for (const { variant, child } of children) {
      const ms = await echo(child);
      if (i >= 0) later[variant].push(ms);
      else if (i < FIRST_ECHOES - WARM_UP_ECHOES) first[variant].push(ms);
    }
  for (const { child } of children) child.stdin?.end();
  await Promise.all(children.map(({ child }) => once(child, "close")));
  return { first, later };
}

async function echo(child: ChildProcess): Promise<number> {
  const start = performance.now();
  const back = once(child.stdout as NodeJS.ReadableStream, "data");
  child.stdin?.write(MESSAGE);
  await back;
  return performance.now() - start;
}

/** The same while a transfer without end runs through the ws gateway: what the bulk of one costs the keys of all. */
async function echoesBesideBulk(count: number): Promise<Echoes> {
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
  const ratio = (variant: NodeVariant) =>
    median(figures[variant].map((rate, round) => rate / (figures.socat[round] ?? Number.NaN))).toFixed(2);
  addRow(`throughput ${what}, of socat's (target 0.7; wss 0.5)`, ratio);
  const rates = VARIANTS.map((variant) => `${variant} ${median(figures[variant]).toFixed(0)}`);
  console.log(`${what} ${rates.join(", ")} MiB/s`);
}

function printTimes(what: string, share: number, figures: Figures, target: string): void {
  const [plain = Number.NaN, ...others] = VARIANTS.map((variant) => quantile(figures[variant], share));
  const over = others.map((ms, i) => `${VARIANTS[i + 1]} +${(ms - plain).toFixed(2)}`);
  console.log(`${what} plain ${plain.toFixed(2)} ms, over it: ${over.join(", ")} ms (${target})`);
}

/** Milliseconds over plain ssh. */
const over = (figures: Figures, variant: Variant, share: number): number =>
  quantile(figures[variant], share) - quantile(figures.plain, share);

function printEchoes(what: string, title: string, { first, later }: Echoes): void {
  printTimes(`${what} p50`, 0.5, later, "target 0.2");
  printTimes(`${what} p99`, 0.99, later, "target 2");
  printTimes(`${what} p50 of the first ${FIRST_ECHOES}`, 0.5, first, "no target");
  addRow(
    title,
    (variant) => `${[0.5, 0.99].map((share) => `+${over(later, variant, share).toFixed(2)}`).join(", ")} ms`,
  );
}

try {
  const rounds = Number(values.rounds);
  printRates("up", await each(rounds, up));
  printRates("down", await each(rounds, down));
  await printCosts();
  const title = "echo of 64 bytes over plain ssh: median (target 0.2 ms) and 99 % (target 2 ms)";
  printEchoes("echo", title, await echoes(Number(values.echoes)));
  const besideBulk = await echoesBesideBulk(Math.ceil(Number(values.echoes) / 10));
  printEchoes(
    "echo beside a bulk transfer",
    "the same beside a bulk transfer through the same gateway",
    besideBulk,
  );
  const connects = await each(Number(values.connects), connect);
  printTimes("connect", 0.5, connects, "target 60 and one round trip");
  addRow(
    "connecting, over plain ssh (target 60 ms)",
    (variant) => `+${over(connects, variant, 0.5).toFixed(0)} ms`,
  );
  console.log(`\n${rows.join("\n")}`);
} finally {
  await ways.close();
}
