/** A strict reader of the text exposition format: what `promtool check metrics` finds wrong, this does too. */

export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /^[a-z][a-z0-9_]*$/;
const SAMPLE = /^([a-z][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** The families of a page, by name. Throws for the first line that breaks a rule, with the line. */
export function readPage(page: string): Map<string, Family> {
  const families = new Map<string, Family>();
  if (!page.endsWith("\n")) throw new Error("the page does not end in a line feed");
  let family: Family | undefined;
  for (const line of page.split("\n").filter(Boolean)) {
    if (line.startsWith("# HELP ")) family = begin(families, line);
    else if (line.startsWith("# TYPE ")) family = withType(families, family, line);
    else family?.samples.push(sample(family, line));
  }
  for (const each of families.values()) check(each);
  return families;
}

function begin(families: Map<string, Family>, line: string): Family {
  const [, name = "", help = ""] = /^# HELP (\S+) (.+)$/.exec(line) ?? [];
  if (!NAME.test(name) || families.has(name))
    throw new Error(`a bad name, or one that is there twice: ${line}`);
  const family: Family = { name, type: "gauge", help, samples: [] };
  families.set(name, family);
  return family;
}

function withType(families: Map<string, Family>, family: Family | undefined, line: string): Family {
  const [, name = "", type = ""] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
  if (name !== family?.name || family.samples.length > 0)
    throw new Error(`a type in the wrong place: ${line}`);
  const typed = { ...family, type: type as Family["type"] };
  families.set(name, typed);
  return typed;
}

function sample(family: Family, line: string): Sample {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  const endings = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  if (!endings.some((ending) => name === family.name + ending))
    throw new Error(`not of ${family.name}: ${line}`);
  const number = Number(value);
  if (value === "" || Number.isNaN(number)) throw new Error(`no number: ${line}`);
  return { name, labels: readLabels(labels, line), value: number };
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name = "", value = ""] = LABEL.exec(text) ?? [];
    if (name === "" || name in labels) throw new Error(`bad labels: ${line}`);
    labels[name] = value;
  }
  return labels;
}

/** What promtool calls lint: totals are counters and counters are totals, base units, series once, none negative. */
function check({ name, type, samples }: Family): void {
  const fault = (what: string) => new Error(`${name}: ${what}`);
  if ((type === "counter") !== name.endsWith("_total"))
    throw fault("a counter ends in _total, and nothing else does");
  if (/_(ms|milliseconds|minutes|kb|kib|mb|percent)(_|$)/.test(name)) throw fault("not in a base unit");
  if (/_(count|sum|bucket|info)$/.test(name)) throw fault("its last word is reserved");
  const series = samples.map((s) => JSON.stringify([s.name, Object.entries(s.labels).sort()]));
  if (samples.length === 0) throw fault("it has no series");
  if (new Set(series).size < series.length) throw fault("a series is there twice");
  if (samples.some(({ value }) => value < 0)) throw fault("a value is negative");
  if (type === "histogram") checkBuckets(samples, fault);
}

function checkBuckets(samples: readonly Sample[], fault: (what: string) => Error): void {
  const key = ({ labels: { le: _, ...rest } }: Sample): string => JSON.stringify(rest);
  for (const of of Map.groupBy(samples, key).values()) {
    const buckets = of.filter((s) => s.name.endsWith("_bucket"));
    const bounds = buckets.map((s) => Number(s.labels.le === "+Inf" ? Infinity : s.labels.le));
    const rising = (values: readonly number[]) =>
      values.every((v, i) => i === 0 || v >= (values[i - 1] as number));
    const count = of.find((s) => s.name.endsWith("_count"))?.value;
    if (!rising(bounds) || !rising(buckets.map((s) => s.value))) throw fault("its buckets do not rise");
    if (bounds.at(-1) !== Infinity || buckets.at(-1)?.value !== count)
      throw fault("its last bucket is not its count");
  }
}
