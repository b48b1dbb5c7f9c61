/** What a machine offers, with a stand-in for nvidia-smi on disk. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LaunchRefused, type PodSpec, type StatedTypes } from "../../src/drivers/driver.ts";
import { ActivityWatch } from "../../src/drivers/local/activity.ts";
import { Capacity, nodeName } from "../../src/drivers/local/capacity.ts";
import { GpuWatch } from "../../src/drivers/local/gpu-watch.ts";
import { deviceNodes, typeOf } from "../../src/drivers/local/nvidia.ts";
import type { Simulated } from "../../src/drivers/local/simulated.ts";
import { Smi } from "../../src/drivers/local/smi.ts";
import { newId } from "./contract.ts";
import { temporaryDirectory } from "./ssh.ts";

const UUIDS = ["GPU-11111111-aaaa", "GPU-22222222-bbbb", "GPU-33333333-cccc"] as const;
let dir: string;
let nvidiaSmi: string;
const log = vi.fn();

beforeEach(async () => {
  log.mockReset();
  dir = await temporaryDirectory();
  nvidiaSmi = join(dir, "nvidia-smi");
  vi.useFakeTimers({ toFake: ["performance"] });
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(dir, { recursive: true });
});

/** A program that answers the query as nvidia-smi does. */
const standIn = (lines: readonly string[], exit = 0) =>
  writeFile(
    nvidiaSmi,
    `#!/bin/sh\n[ "$1" = --query-gpu=index,name,uuid ] || exit 2\ncat <<'END'\n${lines.join("\n")}\nEND\nexit ${exit}\n`,
    { mode: 0o755 },
  );

const capacity = (simulate: Simulated[] = [], stated?: Partial<StatedTypes>) =>
  new Capacity({
    dataDir: join(dir, "data"),
    smi: new Smi(nvidiaSmi),
    stated: () => ({ withoutGpus: [], cuts: [], ...stated }),
    ...{ simulate, log },
  });

function spec(node: string, gpus: number[], gpuType = "h100", simulated = false): PodSpec {
  const reservationId = newId();
  const rest = { hostKey: "", authorizedKeys: [], deadlineS: 60, environment: {} };
  return { name: `${reservationId}-1`, reservationId, node, gpuType, gpus, simulated, ...rest };
}

const H100 = (index: number) => `${index}, NVIDIA H100 80GB HBM3, ${UUIDS[index]}`;

test("what the GPUs of a pod do is read from nvidia-smi; one that does not tell makes nothing known", async () => {
  const pod = await temporaryDirectory();
  await mkdir(join(pod, "control"));
  await writeFile(join(pod, "control", "port"), "1\n");
  const answer = (lines: readonly string[], exit = 0) =>
    writeFile(
      nvidiaSmi,
      `#!/bin/sh\n[ "$1" = --query-gpu=uuid,utilization.gpu,memory.used,memory.total ] || exit 2\ncat <<'END'\n${lines.join("\n")}\nEND\nexit ${exit}\n`,
      { mode: 0o755 },
    );
  const activity = (gpus: string) =>
    writeFile(join(pod, "control", "gpus"), gpus).then(() =>
      new ActivityWatch(new GpuWatch(new Smi(nvidiaSmi))).of(pod),
    );
  await answer([`${UUIDS[0]}, 0, 1, 81559`, `${UUIDS[1]}, 37, 70000, 81559`, `${UUIDS[2]}, [N/A], 1, 2`]);
  expect(await activity(UUIDS[0])).toEqual({ sessions: 0, gpuBusy: false });
  expect(await activity(`${UUIDS[0]},${UUIDS[1]}`)).toEqual({ sessions: 0, gpuBusy: true });
  expect(await activity(`${UUIDS[0]},${UUIDS[2]}`)).toBeUndefined();
  expect(await activity("")).toEqual({ sessions: 0, gpuBusy: false });
  await answer([], 9);
  expect(await activity(UUIDS[0])).toBeUndefined();
  await rm(pod, { recursive: true });
});

test("a pod whose GPUs do not tell in time is told without, and the answer that comes later is good from then on", async () => {
  const pod = await temporaryDirectory();
  await mkdir(join(pod, "control"));
  await writeFile(join(pod, "control", "port"), "1\n");
  await writeFile(join(pod, "control", "gpus"), UUIDS[0]);
  const [asks, go] = [join(dir, "asks"), join(dir, "go")];
  await writeFile(
    nvidiaSmi,
    `#!/bin/sh\necho asked >>${asks}\nuntil [ -e ${go} ]; do sleep 0.05; done\necho '${UUIDS[0]}, 0, 1, 2'\n`,
    { mode: 0o755 },
  );
  const watch = new ActivityWatch(new GpuWatch(new Smi(nvidiaSmi)));
  expect(await watch.of(pod)).toBeUndefined();
  vi.advanceTimersByTime(20_000);
  await writeFile(go, "");
  const told = () => expect.poll(() => watch.of(pod), { timeout: 20_000 }).toMatchObject({ gpuBusy: false });
  await told();
  await told();
  expect(await readFile(asks, "utf8")).toBe("asked\n");
  await rm(pod, { recursive: true });
});

test("an nvidia-smi that hangs holds up nobody who has been told before, and what it says at last counts", async () => {
  await standIn([H100(0)]);
  const go = join(dir, "go");
  const options = { dataDir: join(dir, "data"), smi: new Smi(nvidiaSmi), patienceMs: 1, simulate: [], log };
  const hanging = new Capacity(options);
  const places = async () => (await hanging.nodes()).map(({ gpuType, places }) => [gpuType, places]);
  expect(await places()).toEqual([["h100", 1]]);
  await writeFile(
    nvidiaSmi,
    `#!/bin/sh\nuntil [ -e ${go} ]; do sleep 0.05; done\necho '${H100(0)}\n${H100(1)}'\n`,
  );
  vi.advanceTimersByTime(20_000);
  expect(await places()).toEqual([["h100", 1]]);
  await writeFile(go, "");
  await expect.poll(places).toEqual([["h100", 2]]);
});

test("a machine without nvidia-smi offers its processors, and simulated GPUs marked so", async () => {
  const common = { node: expect.stringMatching(/^[a-z0-9-]+$/), healthy: true };
  expect(await capacity([{ gpuType: "a100", count: 4 }]).nodes()).toEqual([
    {
      ...common,
      gpuType: "cpu",
      gpusPerPlace: 0,
      places: availableParallelism(),
      simulated: false,
      maxDurationS: 604_800,
    },
    { ...common, gpuType: "a100", gpusPerPlace: 1, places: 4, simulated: true, maxDurationS: 172_800 },
  ]);
  expect(log).not.toHaveBeenCalled();
});

test("GPUs are counted by type, and a pod gets its own by UUID", async () => {
  await standIn([H100(0), `1, Tesla T4, ${UUIDS[1]}`, `2, NVIDIA H100 80GB HBM3, ${UUIDS[2]}`]);
  const machine = capacity();
  expect(await machine.nodes()).toMatchObject([
    { gpuType: "h100", places: 2, healthy: true, simulated: false },
    { gpuType: "t4", places: 1 },
  ]);
  expect((await machine.share(spec(machine.node, [1]))).visible).toBe(UUIDS[2]);
  await expect(machine.share(spec(machine.node, [2]))).rejects.toThrow(LaunchRefused);
  await expect(machine.share(spec(machine.node, [0], "cpu"))).rejects.toThrow(LaunchRefused);
});

test("a driver without devices is a machine without GPUs", async () => {
  await standIn(["No devices were found"], 6);
  expect(await capacity().nodes()).toMatchObject([{ gpuType: "cpu", healthy: true }]);
});

test("a failing nvidia-smi is not an absent one: unhealthy, told once, and healthy again after", async () => {
  const machine = capacity();
  await standIn([H100(0), H100(1)]);
  expect(await machine.nodes()).toMatchObject([{ gpuType: "h100", places: 2, healthy: true }]);
  await standIn([H100(0), "Unable to determine the device handle for GPU1: Unknown Error"], 15);
  for (let i = 0; i < 3; i++) {
    vi.advanceTimersByTime(20_000);
    expect(await machine.nodes()).toMatchObject([{ gpuType: "h100", places: 2, healthy: false }]);
  }
  await expect(machine.share(spec(machine.node, [0]))).rejects.toMatchObject({ name: "DriverError" });
  expect(log).toHaveBeenCalledTimes(1);
  await standIn([H100(0), H100(1)]);
  vi.advanceTimersByTime(20_000);
  expect(await machine.nodes()).toMatchObject([{ gpuType: "h100", places: 2, healthy: true }]);
  expect(log).toHaveBeenCalledTimes(2);
});

test("a GPU that goes missing keeps its index, and its type gets nothing new", async () => {
  const machine = capacity();
  await standIn([H100(0), H100(1)]);
  await machine.nodes();
  await standIn([H100(1)]);
  vi.advanceTimersByTime(20_000);
  expect(await machine.nodes()).toMatchObject([{ gpuType: "h100", places: 2, healthy: false }]);
  expect(log.mock.calls[0]?.[0]).toMatchObject({ fault: expect.stringContaining(UUIDS[0]) });
});

test("S-01 L-05 after a restart without one of its GPUs the others keep their indices, and nothing new is placed", async () => {
  await standIn([H100(0), H100(1), H100(2)]);
  await capacity().nodes();
  await standIn([H100(2), H100(1)]);
  const restarted = capacity();
  expect(await restarted.nodes()).toMatchObject([{ gpuType: "h100", places: 3, healthy: false }]);
  expect(log.mock.calls[0]?.[0]).toMatchObject({ fault: expect.stringContaining(UUIDS[0]) });
  await expect(restarted.share(spec(restarted.node, [1]))).rejects.toMatchObject({ name: "DriverError" });
  await rm(nvidiaSmi);
  expect(await capacity().nodes()).toMatchObject([{ gpuType: "h100", places: 3, healthy: false }]);
  await standIn([H100(2), H100(0), H100(1)]);
  vi.advanceTimersByTime(20_000);
  expect(await restarted.nodes()).toMatchObject([{ gpuType: "h100", places: 3, healthy: true }]);
  const { visible } = await restarted.share(spec(restarted.node, [0, 1, 2]));
  expect(visible).toBe(UUIDS.join(","));
});

test("pods without real GPUs do not wait for nvidia-smi", async () => {
  const asks = join(dir, "asks");
  await writeFile(nvidiaSmi, `#!/bin/sh\necho asked >>${asks}\n`, { mode: 0o755 });
  const machine = capacity([{ gpuType: "a100", count: 2 }]);
  await machine.share(spec(machine.node, [], "cpu"));
  expect((await machine.share(spec(machine.node, [1], "a100", true))).visible).toBe("1");
  await expect(readFile(asks)).rejects.toThrow("ENOENT");
  await machine.nodes();
  expect(await readFile(asks, "utf8")).toBe("asked\n");
});

test("a simulated type that is real, given twice, misnamed or uncounted is an error that says so", async () => {
  await standIn([H100(0)]);
  await expect(capacity([{ gpuType: "h100", count: 8 }]).check()).rejects.toThrow(/"h100".*real type/);
  const twice = { gpuType: "a100", count: 1 };
  await expect(capacity([twice, twice]).check()).rejects.toThrow(/"a100" is given twice/);
  await expect(capacity([{ gpuType: "H 100", count: 1 }]).check()).rejects.toThrow(/not a GPU type/);
  await expect(capacity([{ gpuType: "a100", count: 0 }]).check()).rejects.toThrow(/from 1 to/);
  await expect(capacity([{ gpuType: "cpu", count: 2 }]).check()).rejects.toThrow(/"cpu"/);
});

test("simulated nodes have names of their own, and each its own GPUs", async () => {
  const machine = capacity([{ gpuType: "a100", count: 8, nodes: 2 }]);
  const entries = (await machine.nodes()).filter((n) => n.simulated);
  expect(entries).toMatchObject([
    { node: `${machine.node}-1`, gpuType: "a100", places: 8 },
    { node: `${machine.node}-2`, gpuType: "a100", places: 8 },
  ]);
  const second = spec(`${machine.node}-2`, [3, 4], "a100", true);
  expect(await machine.share(second)).toEqual({ visible: "3,4", ids: [], gpus: [], places: 8 });
  await expect(machine.share({ ...second, node: machine.node })).rejects.toThrow(/has no simulated a100/);
  await expect(machine.share({ ...second, node: "elsewhere" })).rejects.toThrow(/this machine is/);
});

test("C-08 types without GPUs are offered with the places that are stated", async () => {
  await standIn([H100(0)]);
  const machine = capacity([], { withoutGpus: [{ gpuType: "cpu-large", places: 3 }] });
  expect(await machine.nodes()).toMatchObject([
    { gpuType: "cpu-large", gpusPerPlace: 0, places: 3, simulated: false },
    { gpuType: "h100", gpusPerPlace: 1 },
  ]);
  expect(await machine.share(spec(machine.node, [], "cpu-large"))).toEqual({
    visible: "",
    ids: [],
    gpus: [],
    places: 3,
  });
  await expect(machine.share(spec(machine.node, [0], "cpu-large"))).rejects.toThrow(LaunchRefused);
});

test("S-01 a GPU that is cut is offered as slices, and no more whole", async () => {
  const node = nodeName(hostname());
  const cut = { node, gpuType: "a100-1g", of: "a100", perGpu: 7, gpus: [1, 9] };
  const machine = capacity([{ gpuType: "a100", count: 2 }], { cuts: [cut] });
  const [, whole, slices] = await machine.nodes();
  expect(whole).toMatchObject({ gpuType: "a100", places: 1, indices: [0] });
  expect(slices).toMatchObject({
    ...{ gpuType: "a100-1g", places: 7, indices: [7, 8, 9, 10, 11, 12, 13], simulated: true },
    slice: { of: "a100", perGpu: 7 },
  });
  await expect(machine.share(spec(node, [1], "a100", true))).rejects.toThrow(/no a100 of index 1/);
  expect((await machine.share(spec(node, [13], "a100-1g", true))).visible).toBe("13");
  await machine.nodes();
  expect(log.mock.calls).toEqual([
    [
      { faults: `${node} has no a100 of index 9 to cut` },
      "the configuration states what this machine does not have",
    ],
  ]);
});

test("slices of real GPUs are given by their own UUIDs, once nvidia-smi has made them", async () => {
  const node = nodeName(hostname());
  const machine = capacity([], { cuts: [{ node, gpuType: "h100-3g", of: "h100", perGpu: 2, gpus: [1] }] });
  const gpus = [H100(0), H100(1)];
  const script = (mig: string) =>
    writeFile(
      nvidiaSmi,
      `#!/bin/sh\ncase $1 in -L) cat <<'END'\n${mig}\nEND\n;; *) cat <<'END'\n${gpus.join("\n")}\nEND\n;; esac\n`,
      {
        mode: 0o755,
      },
    );
  const gpu = (i: number) => `GPU ${i}: NVIDIA H100 80GB HBM3 (UUID: ${UUIDS[i]})`;
  await script([gpu(0), gpu(1)].join("\n"));
  expect(await machine.nodes()).toMatchObject([
    { gpuType: "h100", indices: [0], healthy: true },
    { gpuType: "h100-3g", indices: [2, 3], healthy: false },
  ]);
  await script(
    [
      gpu(0),
      gpu(1),
      "  MIG 3g.40gb Device 0: (UUID: MIG-aaaa)",
      "  MIG 3g.40gb Device 1: (UUID: MIG-bbbb)",
    ].join("\n"),
  );
  vi.advanceTimersByTime(20_000);
  expect(await machine.nodes()).toMatchObject([{ gpuType: "h100" }, { gpuType: "h100-3g", healthy: true }]);
  expect((await machine.share(spec(node, [3], "h100-3g"))).visible).toBe("MIG-bbbb");
});

test("the device nodes of a GPU are those that the kernel's driver names for its UUID", async () => {
  for (const [bus, minor, uuid] of [
    ["0000:01:00.0", 3, UUIDS[0]],
    ["0000:02:00.0", 0, UUIDS[1]],
  ] as const) {
    await mkdir(join(dir, bus));
    const text = `Model: \t\t NVIDIA H100\nGPU UUID: \t ${uuid}\nDevice Minor: \t ${minor}\n`;
    await writeFile(join(dir, bus, "information"), text);
  }
  const nodes = await deviceNodes([UUIDS[0]], dir);
  expect(nodes).toContain("/dev/nvidia3");
  expect(nodes).toContain("/dev/nvidiactl");
  expect(nodes).not.toContain("/dev/nvidia0");
  expect(await deviceNodes([], dir)).toEqual([]);
});

test.each([
  ["NVIDIA H100 80GB HBM3", "h100"],
  ["NVIDIA H100 PCIe", "h100"],
  ["NVIDIA A100-SXM4-80GB", "a100"],
  ["NVIDIA A10G", "a10g"],
  ["NVIDIA L40S", "l40s"],
  ["Tesla T4", "t4"],
  ["Tesla V100-SXM2-16GB", "v100"],
  ["NVIDIA GH200 480GB", "gh200"],
  ["NVIDIA GeForce RTX 4090", "rtx-4090"],
  ["NVIDIA GeForce GTX 1080 Ti", "gtx-1080-ti"],
  ["NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"],
  ["Some New Thing (rev. 2)", "some-new-thing-rev-2"],
])("%s is the type %s", (name, type) => expect(typeOf(name)).toBe(type));

test("a host's name becomes the name of a node", () => {
  expect(nodeName("GPU-Box_1.example.COM")).toBe("gpu-box-1-example-com");
  expect(nodeName("???")).toBe("local");
});
