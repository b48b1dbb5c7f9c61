/** Random numbers that a seed replays (mulberry32). */

/** A generator of numbers in [0, 1); the same seed gives the same ones. */
export function randomFrom(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What `npm test` runs each time, so that a red run is the change's; the long runs draw new ones. */
const USUAL_SEED = 20_261_122;

/** GPU_DEV_SEED; else the usual one in `npm test`, and a new one in the soak. Printed by who uses it. */
export function chosenSeed(): number {
  const { GPU_DEV_SEED: given, VITEST, GPU_DEV_SOAK } = process.env;
  if (given !== undefined) return Number(given);
  return VITEST && GPU_DEV_SOAK === undefined ? USUAL_SEED : Math.floor(Math.random() * 2 ** 31);
}

/** Choices that a seed replays. */
export class Dice {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  /** A whole number below `n`. */
  upTo(n: number): number {
    return Math.floor(this.random() * n);
  }

  one<T>(...choices: [T, ...T[]]): T {
    return choices[this.upTo(choices.length)] as T;
  }
}
