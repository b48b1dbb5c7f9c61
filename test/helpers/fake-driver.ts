/** A driver in memory, with faults on demand and a record of what it was asked. */
import { PassThrough } from "node:stream";
import type {
  Activity,
  Driver,
  LogLine,
  NodeCapacity,
  PodSpec,
  PodUpdate,
  PodUsage,
  PodView,
  UnaskedHost,
} from "../../src/drivers/driver.ts";
import { DriverError } from "../../src/drivers/driver.ts";

type Verb = "capacity" | "launch" | "inspect" | "update" | "terminate" | "list" | "dial" | "logs" | "usage";

export interface FakePod {
  spec: PodSpec;
  view: PodView;
  updates: PodUpdate[];
}

export interface FakeDriver extends Driver {
  readonly pods: Map<string, FakePod>;
  /** The keys of the images that it built. */
  readonly built: Set<string>;
  /** What the pods said, also those that are gone; line 1 is the first. */
  readonly said: Map<string, Omit<LogLine, "number">[]>;
  /** Verbs in the order in which they came, "launch <pod>". */
  readonly calls: string[];
  nodes: NodeCapacity[];
  /** What its lists leave out. */
  unasked: UnaskedHost[];
  isolation: "namespaces" | "processes";
  /** What a pod is after its launch; "running" by default. */
  launched: PodView;
  /** Of every pod, for who asks for it. */
  activity: Activity | undefined;
  /** Of every pod that runs, at its n-th look. */
  used: (look: number) => PodUsage;
  /** Tells those who watch of a pod; who watches. */
  tell(pod: string): void;
  readonly watchers: Set<(pod: string) => void>;
  /** Throws this instead of doing the verb, for as long as it is set. */
  readonly faults: Map<Verb, Error>;
  /** Runs before the verb is done; a test can hold it there. */
  before: ((verb: Verb, name: string) => Promise<void>) | undefined;
}

export const h100 = (places: number, node = "node-1"): NodeCapacity => ({
  node,
  gpuType: "h100",
  gpusPerPlace: 1,
  places,
  healthy: true,
  simulated: true,
  maxDurationS: 48 * 3600,
});

export const cpu = (places: number, node = "node-1"): NodeCapacity => ({
  ...h100(places, node),
  gpuType: "cpu",
  gpusPerPlace: 0,
  simulated: false,
});

/** Half a second apart: two and a half CPUs busy, a megabyte coming in and half of one going out each second. */
const steadyUse = (look: number): PodUsage => ({
  atMs: 500 * look,
  cpu: { usedS: 1.25 * look, cpus: 8 },
  memory: { usedBytes: 2 ** 30, limitBytes: 2 ** 34 },
  network: { receivedBytes: 500_000 * look, sentBytes: 250_000 * look },
  gpus: [{ busyPercent: 97, usedBytes: 70 * 2 ** 30, totalBytes: 80 * 2 ** 30 }],
  home: { usedBytes: 10 ** 9, totalBytes: 10 ** 10 },
});

export function createFakeDriver(nodes: NodeCapacity[] = [h100(8), cpu(2)]): FakeDriver {
  const pods = new Map<string, FakePod>();
  const calls: string[] = [];
  const faults = new Map<Verb, Error>();
  const enter = async (verb: Verb, name = ""): Promise<void> => {
    calls.push(`${verb} ${name}`.trim());
    await fake.before?.(verb, name);
    const fault = faults.get(verb);
    if (fault) throw fault;
  };
  const built = new Set<string>();
  const fake: FakeDriver = {
    name: "fake",
    built,
    builtImages: {
      has: async (key) => built.has(key),
      list: async () => [...built],
      remove: async (key) => void built.delete(key),
      removeLeftovers: async () => undefined,
    },
    isolation: "namespaces",
    sshUser: "dev",
    pods,
    said: new Map(),
    calls,
    faults,
    nodes,
    unasked: [],
    launched: { state: "running" },
    before: undefined,
    activity: { sessions: 1, gpuBusy: false },
    used: steadyUse,
    async capacity() {
      await enter("capacity");
      return fake.nodes;
    },
    async launch(spec) {
      await enter("launch", spec.name);
      if (!pods.has(spec.name)) pods.set(spec.name, { spec, view: fake.launched, updates: [] });
    },
    async inspect(name, { activity = false } = {}) {
      await enter("inspect", name);
      const view = pods.get(name)?.view ?? { state: "absent" };
      return view.state === "running" && activity ? { ...view, activity: fake.activity } : view;
    },
    async update(name, change) {
      await enter("update", name);
      const pod = pods.get(name);
      if (!pod) throw new DriverError(`no pod ${name}`);
      pod.updates.push(change);
    },
    async terminate(name) {
      await enter("terminate", name);
      pods.delete(name);
    },
    async list() {
      await enter("list");
      return { pods: [...pods.keys()], unasked: fake.unasked };
    },
    async dial(name, port) {
      await enter("dial", `${name}:${port}`);
      if (pods.get(name)?.view.state !== "running") throw new DriverError(`nothing listens in ${name}`);
      return new PassThrough();
    },
    async logs(name, after = 0) {
      await enter("logs", name);
      const lines = (fake.said.get(name) ?? []).map((line, i) => ({ ...line, number: i + 1 }));
      return lines.filter(({ number }) => number > after);
    },
    async usage(name) {
      await enter("usage", name);
      if (pods.get(name)?.view.state !== "running") throw new DriverError("the pod does not run");
      return fake.used(calls.filter((call) => call === `usage ${name}`).length);
    },
    watchers: new Set(),
    tell(pod) {
      for (const watcher of fake.watchers) watcher(pod);
    },
    watch(changed) {
      fake.watchers.add(changed);
      return () => fake.watchers.delete(changed);
    },
    close: async () => undefined,
  };
  return fake;
}
