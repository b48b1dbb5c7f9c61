/** Families on one registry. Every series of a closed list of labels is there from the first scrape, at zero (O-01). */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** By label, all the values that it can have; none for a label whose values nobody knows before. */
type Labels<L extends string> = Readonly<Record<L, readonly string[]>>;

export class Families {
  readonly registry = new Registry();

  counter<L extends string = never>(name: string, help: string, labels = none<L>()): Counter<L> {
    const made = new Counter({ ...this.#common(name, help), labelNames: namesOf(labels) });
    for (const series of seriesOf(labels)) made.inc(series, 0);
    return made;
  }

  gauge<L extends string = never>(name: string, help: string, labels = none<L>()): Gauge<L> {
    const made = new Gauge({ ...this.#common(name, help), labelNames: namesOf(labels) });
    for (const series of seriesOf(labels)) made.set(series, 0);
    return made;
  }

  /** `buckets` are seconds. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels = none<L>(),
  ): Histogram<L> {
    const made = new Histogram({
      ...this.#common(name, help),
      labelNames: namesOf(labels),
      buckets: [...buckets],
    });
    for (const series of seriesOf(labels)) made.zero(series);
    return made;
  }

  #common(name: string, help: string) {
    return { registers: [this.registry], name, help };
  }
}

/** A counter whose total somebody else keeps. */
export function setTotal<L extends string>(
  counter: Counter<L>,
  totals: Iterable<readonly [series: Partial<Record<L, string>>, total: number]>,
): void {
  counter.reset();
  for (const [series, total] of totals) counter.inc(series, total);
}

const none = <L extends string>(): Labels<L> => ({}) as Labels<L>;

const namesOf = <L extends string>(labels: Labels<L>): L[] => Object.keys(labels) as L[];

/** Every combination of the labels' values. */
function seriesOf<L extends string>(labels: Labels<L>): Record<L, string>[] {
  let all: Record<string, string>[] = [{}];
  for (const [name, values] of Object.entries<readonly string[]>(labels))
    all = all.flatMap((series) => values.map((value) => ({ ...series, [name]: value })));
  return all as Record<L, string>[];
}
