/** `reserve --node-label`: which nodes a reservation may be on. */
import { expect, test } from "vitest";
import { commandLine } from "../../src/cli/ask/command-line.ts";
import { nodeLabelOption } from "../../src/cli/node-labels.ts";
import { reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const node_labels = { zone: "a", nvlink: "true" };
const world = () =>
  createWorld({
    handlers: {
      createReservation: () => reservation({ state: "queued", node_labels }),
      listReservations: () => ({ items: [], next_cursor: null }),
    },
  });
const RESERVE = "reserve --gpu-type h100 --time 1h --no-wait --disk none";

test("labels that were asked for are in the request, and shown", async () => {
  const here = world();
  const { stdout } = await here.gpuDev(`${RESERVE} --node-label zone=a --node-label nvlink=true`);
  const asked = here.server.requests.find(({ route }) => route === "createReservation");
  expect(asked?.body).toMatchObject({ node_labels });
  expect(stdout).toMatch(/node labels\s+zone=a, nvlink=true/);
});

test("a key may be called as what every object has", async () => {
  const here = world();
  await here.gpuDev(`${RESERVE} --node-label constructor=a`);
  const asked = here.server.requests.find(({ route }) => route === "createReservation");
  expect(asked?.body).toMatchObject({ node_labels: { constructor: "a" } });
});

test.for([
  ["--node-label zone", '"zone" is no label of a node'],
  ["--node-label zone=", '"zone=" is no label of a node'],
  ["--node-label zone=a --node-label zone=b", "a node has one zone: it cannot be a and b"],
] as const)("%s is told as what it is", async ([words, said]) => {
  const { code, stderr } = await world().gpuDev(`${RESERVE} ${words}`);
  expect(code).toBe(2);
  expect(stderr).toContain(said);
});

test("the line that would have asked nothing has each of them", () => {
  const line = commandLine("reserve", { label: nodeLabelOption }, { label: ["zone=a", "rack=4"] }, []);
  expect(line).toBe("gpu-dev reserve --node-label zone=a --node-label rack=4");
});
