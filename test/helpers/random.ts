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

/** GPU_DEV_SEED, or a new one; printed by who uses it. */
export function chosenSeed(): number {
  const given = process.env.GPU_DEV_SEED;
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
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
