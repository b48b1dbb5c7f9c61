import { expect, test } from "vitest";
import { gpuType, page } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const items = [
  gpuType({ name: "cpu", gpus_per_slot: 0, max_gpus_per_node: 0, nodes: 1 }),
  gpuType({ gpu_memory_bytes: 80 * 2 ** 30, price_per_hour: 2_500_000, simulated: true }),
  gpuType({ name: "h100-1g", slice_of: "h100", slices_per_gpu: 7, nodes: 0, max_gpus_per_node: 0 }),
];
const listGpuTypes = () => page(...items);

test("S-10 C-08 C-09 the catalogue is the server's, as a table, piped and as JSON", async () => {
  const terminal = await createWorld({ handlers: { listGpuTypes }, terminal: true }).gpuDev(
    "admin types --no-color",
  );
  expect(terminal.stdout.trimEnd().split("\n")).toEqual([
    "TYPE     NODES  GPUS PER NODE  GPU MEMORY  MAX TIME  PRICE    SLICE OF  NOTE",
    "cpu      1      0                          2d",
    "h100     4      8              80Gi        2d        $2.50/h            simulated",
    "h100-1g  0      0                          2d                 h100 / 7",
  ]);
  const world = createWorld({ handlers: { listGpuTypes } });
  expect((await world.gpuDev("admin types")).stdout.split("\n")[1]).toBe(
    "h100\t4\t8\t85899345920\t\t\t172800\t2500000\t\tsimulated\t",
  );
  expect(JSON.parse((await world.gpuDev("admin types --json")).stdout).items).toEqual(items);
});

test("C-09 a missing type is answered with those that can be had now", async () => {
  const done = await createWorld({ handlers: { listGpuTypes } }).gpuDev("reserve --time 1h");
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toContain("The server has: cpu, h100 (simulated).");
});
