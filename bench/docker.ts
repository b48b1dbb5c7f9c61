/**
 * From asking for a pod to the end of the first command in it by ssh, as one types it: gpu-dev with its Docker driver beside `docker run`
 * and ssh, of the same image on the same engine, and beside those of a container that is limited and kept apart as a pod is; one pod,
 * and ten at once. `node bench/docker.ts [ROUNDS [CLONE...]]`, as root, with
 * docker.io; the builds of other clones of this repository are measured in the same rounds. Every figure is a median, in parts of what
 * `docker run` and ssh took: machines differ, and so does what else they do.
 */
import { basename, join, resolve } from "node:path";
import { DockerEngine } from "../test/helpers/docker-engine.ts";
import { MARKS, type Marks } from "./docker-marks.ts";
import { asPods, byDocker, byGpuDev, type Way } from "./docker-ways.ts";
import { median } from "./median.ts";

const rounds = Number(process.argv[2] ?? 7);
const clones = [join(import.meta.dirname, ".."), ...process.argv.slice(3).map((path) => resolve(path))];
const AT_ONCE = 10;
const TARGET = 1.3;

let pods = 0;

/** What happened when, for each of so many that were asked for at the same time. */
async function measured(way: Way, count: number): Promise<Marks[]> {
  const names = Array.from({ length: count }, () => `bench-${++pods}`);
  const done = await Promise.all(names.map((name) => way.start(name)));
  const marks = await Promise.all(done.map((look) => look()));
  await way.end(names);
  return marks;
}

async function compare(title: string, ways: readonly Way[], count: number): Promise<void> {
  const seen = ways.map((): Marks[] => []);
  for (let round = 0; round < rounds; round++)
    // None is always the first after the same other one.
    for (let i = 0; i < ways.length; i++) {
      const at = (round + i) % ways.length;
      seen[at]?.push(...(await measured(ways[at] as Way, count)));
    }
  const whole = seen.map((marks) => median(marks.map(({ done = Number.NaN }) => done)));
  const [docker = Number.NaN, limited = Number.NaN] = whole;
  console.log(`\n${title}: docker run and ssh took ${docker.toFixed(0)} ms (median of ${rounds})`);
  line("in parts of that", ...ways.map((way) => way.title));
  for (const [mark, words] of Object.entries(MARKS)) {
    const times = seen.map((marks) => marks.flatMap((one) => one[mark as keyof Marks] ?? []));
    line(words, ...times.map((some) => part(some, docker)));
  }
  for (const [i, ms] of whole.entries())
    if (i > 1)
      console.log(
        `${ways[i]?.title}: ratio ${(ms / docker).toFixed(2)} (target: ${TARGET} or less), ` +
          `${(ms / limited).toFixed(2)} of the same with the limits and the network of a pod`,
      );
}

const part = (times: readonly number[], whole: number): string =>
  times.length === 0 ? "" : (median(times) / whole).toFixed(2);

const line = (words: string, ...cells: string[]): void =>
  console.log(words.padEnd(36) + cells.map((cell) => cell.padStart(14)).join(""));

const engine = await DockerEngine.start();
const ways: Way[] = [];
try {
  const image = await engine.image("sshd");
  ways.push(await byDocker("docker run", engine, image));
  ways.push(await byDocker("with limits", engine, image, await asPods(engine)));
  for (const clone of clones) {
    const title = basename(clone);
    ways.push(await byGpuDev({ title, engine, image, clone, places: AT_ONCE }));
  }
  // The first pod of a host waits for what all of them share.
  for (const way of ways) await measured(way, 1);
  await compare("One pod", ways, 1);
  await compare(`${AT_ONCE} at once`, ways, AT_ONCE);
} finally {
  for (const way of ways) await way.close();
  await engine.stop();
}
