/**
 * Whether a server under load keeps something of each request: resident memory says little, since V8 and the allocator keep what they
 * once had, so that it is decided by what is reached after a collection. The load also makes reservations and cancels them.
 */
import { readFileSync } from "node:fs";
import { type Get, paced } from "../test/helpers/load.ts";
import type { ServerProcess } from "../test/helpers/server-process.ts";
import { openHeap } from "./heap.ts";
import { median } from "./median.ts";

const LOOKS = 20;
const QUARTER = LOOKS / 4;
const CHANGES_PER_SECOND = 5;
/**
 * Bytes per 1,000 requests: half of the smallest object of each. V8's own lists, of which code depends on which shapes, grow by some
 * 100 KB in ten minutes, at few requests a second too.
 */
const FLAT = 6000;

interface Look {
  /** So far. */
  readonly requests: number;
  readonly resident: number;
  readonly kept: number;
}

/** Looks while `get` is asked `rate` times a second for so many seconds, after a warm-up of a fifth of them; prints what it saw. */
export async function remember(
  server: ServerProcess,
  get: Get,
  rate: number,
  seconds: number,
): Promise<void> {
  const heap = await openHeap(server.log());
  const looks: Look[] = [];
  let requests = 0;
  try {
    await load(server, get, rate, seconds / 5);
    while (looks.length < LOOKS) {
      requests += await load(server, get, rate, (seconds * 4) / 5 / LOOKS);
      looks.push({ requests, resident: residentBytes(server.pid), kept: await heap.kept() });
    }
  } finally {
    heap.close();
  }
  report(looks, seconds);
}

/** How many requests were answered. */
async function load(server: ServerProcess, get: Get, rate: number, seconds: number): Promise<number> {
  const changes = Math.ceil(seconds * CHANGES_PER_SECOND);
  const [took] = await Promise.all([paced(get, rate, seconds), change(server, changes)]);
  return took.length + 2 * changes;
}

/** One that waits for tomorrow has a place in the plan, and no pod. */
async function change({ api }: ServerProcess, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const start_at = new Date(Date.now() + 24 * 3_600_000).toISOString();
    const { id } = await api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, start_at } });
    await api.cancelReservation({ params: { id } });
  }
}

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

function report(looks: readonly Look[], seconds: number): void {
  const say = (what: string, text: string) => console.log(`  ${what.padEnd(24)} ${text}`);
  const quarters = (of: (look: Look) => number): string => {
    const [first, last] = [looks.slice(0, QUARTER), looks.slice(-QUARTER)].map((part) =>
      median(part.map(of)),
    );
    return `${mib(first)} MiB, then ${mib(last)}`;
  };
  say(
    `resident over ${seconds} s`,
    quarters(({ resident }) => resident),
  );
  const slope = slopeOf(looks) * 1000;
  const isFlat = slope < FLAT;
  say(
    "after a collection",
    quarters(({ kept }) => kept),
  );
  say(
    "kept per 1,000 requests",
    `${slope.toFixed(0)} bytes of ${looks.at(-1)?.requests} (flat: below ${FLAT})`,
  );
  if (!isFlat) process.exitCode = 1;
}

const mib = (bytes = Number.NaN): string => (bytes / 2 ** 20).toFixed(1);

/** Bytes by request, by least squares. */
function slopeOf(looks: readonly Look[]): number {
  const mean = (of: (look: Look) => number) => looks.reduce((sum, look) => sum + of(look), 0) / looks.length;
  const [requests, kept] = [mean((look) => look.requests), mean((look) => look.kept)];
  const across = looks.map((look) => look.requests - requests);
  const up = looks.reduce((sum, look, i) => sum + (across[i] ?? 0) * (look.kept - kept), 0);
  return up / across.reduce((sum, x) => sum + x * x, 0);
}
