/**
 * A synthetic trace in the manner of Lublin and Feitelson ("The workload on parallel supercomputers", 2003), by a seed, for
 * GPUs: 29 % want one, the others a power of two, uniform in its exponent in two stages; run times are hyper-gamma in
 * their logarithm with the published parameters for batch jobs; arrivals are Poisson with a daily cycle. Users ask for more
 * time than they use: what they use is a uniform share of it, 20 % at least.
 */
import { randomFrom } from "../test/helpers/random.ts";

export interface Job {
  readonly id: string;
  readonly arrives: number;
  readonly places: number;
  readonly nodes: number;
  /** What is asked for, and what is used of it. */
  readonly durationS: number;
  readonly usedS: number;
}

export interface TraceWish {
  readonly seed: number;
  readonly jobs: number;
  readonly nodes: number;
  readonly placesPerNode: number;
  /** Of all GPUs, which share is wanted on average. */
  readonly load: number;
}

const DAY_S = 86_400;
const LONGEST_S = 2 * DAY_S;

/** Jobs in order of arrival; times in seconds from the first. */
export function trace(wish: TraceWish): Job[] {
  const random = randomFrom(wish.seed);
  const shapes = Array.from({ length: wish.jobs }, () => {
    const gpus = sizeOf(wish, random);
    const usedS = Math.min(LONGEST_S, Math.max(30, Math.round(Math.exp(runTime(gpus, random)))));
    const durationS = Math.min(LONGEST_S, Math.ceil(usedS / (0.2 + 0.8 * random()) / 600) * 600);
    return { gpus, usedS, durationS };
  });
  const work = shapes.reduce((sum, { gpus, usedS }) => sum + gpus * usedS, 0);
  const pause = work / wish.jobs / (wish.nodes * wish.placesPerNode * wish.load);
  let arrives = 0;
  return shapes.map(({ gpus, usedS, durationS }, i) => {
    const rate = 1 + 0.8 * Math.sin((2 * Math.PI * arrives) / DAY_S);
    arrives += (-Math.log(1 - random()) * pause) / rate;
    const nodes = Math.max(1, gpus / wish.placesPerNode);
    return { id: `j${i}`, arrives, places: gpus / nodes, nodes, durationS, usedS };
  });
}

function sizeOf({ nodes, placesPerNode }: TraceWish, random: () => number): number {
  if (random() < 0.2927) return 1;
  const most = Math.log2((nodes * placesPerNode) / 2);
  const middle = most - 2.5;
  const exponent = random() < 0.875 ? 0.8 + (middle - 0.8) * random() : middle + 2.5 * random();
  return 2 ** Math.round(exponent);
}

/** The logarithm of seconds. */
const runTime = (gpus: number, random: () => number): number =>
  random() < 0.6986 - 0.003 * gpus ? gamma(6.57, 0.823, random) : gamma(639.1, 0.0156, random);

/** Marsaglia and Tsang's method; shape of 1 or more. */
function gamma(shape: number, scale: number, random: () => number): number {
  const d = shape - 1 / 3;
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v * scale;
  }
}
