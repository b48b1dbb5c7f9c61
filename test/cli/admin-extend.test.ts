import { expect, test } from "vitest";
import { createWorld } from "./helpers/world.ts";

const id = "abcdefghijklmnopqrst";
const lifted = { id, name: "train", owner: "bob", duration_s: 7200, ends_at: "2026-01-02T09:00:00.000Z" };

test("L-20 admin extend gives an end or a length, with a reason, and prints the new end", async () => {
  const world = createWorld({ handlers: { liftReservation: () => lifted } });
  const { stdout } = await world.gpuDev([
    "admin",
    "extend",
    id,
    "--until",
    "2026-01-02T09:00Z",
    "--reason",
    "a b",
  ]);
  expect(stdout).toBe(`${id}\ttrain\tbob\t2026-01-02T09:00:00.000Z\n`);
  await world.gpuDev(`admin extend ${id} --by 12h --reason why`);
  expect(world.server.requests).toMatchObject([
    { params: { id }, body: { until: "2026-01-02T09:00:00.000Z", reason: "a b" } },
    { params: { id }, body: { extend_s: 43_200, reason: "why" } },
  ]);
});

test.each([
  ["admin extend train --by 1h --reason x", "is no id"],
  [`admin extend ${id} --reason x`, "--until or --by, one of them"],
  [`admin extend ${id} --by 1h --until 9:00 --reason x`, "--until or --by, one of them"],
  [`admin extend ${id} --by 1h`, "--reason is missing"],
  [`admin extend ${id} --by 90 --reason x`, "has no unit"],
])("%s is refused before anything is asked", async (line, why) => {
  const world = createWorld();
  expect(await world.gpuDev(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
  expect(world.server.requests).toEqual([]);
});
