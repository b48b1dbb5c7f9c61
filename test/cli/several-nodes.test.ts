/** Reservations on several nodes, as a user sees and reaches them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const id = "abcdefghijklmnopqrst";
const gang = reservation({
  gpu_count: 16,
  node_count: 2,
  nodes: [0, 1].map((rank) => ({
    ...{ rank, node: `node-${rank + 1}`, gpus: [0, 1] },
    ssh_host: `${id}${rank === 0 ? "" : `-${rank}`}.gpu-dev.internal`,
  })),
});
const handlers = {
  listReservations: () => page(gang),
  getReservation: () => gang,
  listEvents: () => page(),
};
const world = () =>
  createWorld({ handlers, runProgram: async () => ({ code: 0, stdout: "out", stderr: "" }) });

test("L-15 connect --node leads to that node, and to none that is not there", async () => {
  const w = world();
  expect(await w.gpuDev("connect hello --node 1 -- hostname")).toMatchObject({ code: 0 });
  expect(await w.gpuDev("connect hello -- hostname")).toMatchObject({ code: 0 });
  const config = ["-F", join(w.home, "gd", "ssh_config")];
  expect(w.programs).toEqual([
    ["ssh", ...config, "gpu-dev-abcdefgh-1", "--", "hostname"],
    ["ssh", ...config, "gpu-dev-abcdefgh", "--", "hostname"],
  ]);
  const done = await w.gpuDev("connect hello --node 2");
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toContain("--node: hello has no node 2\nIt has nodes 0 to 1.");
});

test("T-03 each node has a block in ssh_config and a line in known_hosts", async () => {
  const w = world();
  await w.gpuDev("list");
  const config = readFileSync(join(w.home, "gd", "ssh_config"), "utf8");
  expect(config).toContain(
    `Host gpu-dev-abcdefgh hello gpu-dev-abcdefgh-0\n  HostName ${id}.gpu-dev.internal\n`,
  );
  expect(config).toContain(`Host gpu-dev-abcdefgh-1\n  HostName ${id}-1.gpu-dev.internal\n`);
  const known = readFileSync(join(w.home, "gd", "known_hosts"), "utf8")
    .trim()
    .split("\n");
  expect(known.map((line) => line.split(" ")[0])).toEqual([
    `${id}.gpu-dev.internal`,
    `${id}-1.gpu-dev.internal`,
  ]);
});

test("show lists the nodes, their GPUs and how to get in", async () => {
  const done = await world().gpuDev("show hello");
  expect(done.stdout).toContain("gpus\t16 × h100 on 2 nodes\n");
  expect(done.stdout).toContain("node 0\tnode-1, GPUs 0,1: ssh gpu-dev-abcdefgh\n");
  expect(done.stdout).toContain("node 1\tnode-2, GPUs 0,1: ssh gpu-dev-abcdefgh-1\n");
});

test("S-09 reserve --multi-node asks for several nodes", async () => {
  const bodies: unknown[] = [];
  const w = createWorld({
    handlers: {
      ...handlers,
      createReservation: ({ body }) => {
        bodies.push(body);
        return gang;
      },
      listKeys: () => page(),
    },
  });
  const done = await w.gpuDev("reserve --gpu-type h100 --gpus 16 --multi-node --time 1h --no-wait");
  expect(done).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("Reserved 16 × h100 on 2 nodes for 1h as hello");
  const public_key = expect.stringContaining("ssh-ed25519 ");
  expect(bodies).toEqual([
    { gpu_type: "h100", gpu_count: 16, multi_node: true, duration_s: 3600, public_key },
  ]);
});
