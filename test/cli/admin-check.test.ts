import { expect, test } from "vitest";
import type { Check } from "../../src/api/check.ts";
import { createWorld } from "./helpers/world.ts";

const part = (given: Partial<Check["parts"][number]> = {}): Check["parts"][number] => ({
  part: "pods",
  status: "ok",
  error: null,
  differences: [],
  ...given,
});
const checked = (status: Check["status"], ...parts: Check["parts"]) =>
  createWorld({
    handlers: { checkDeployment: () => ({ checked_at: "2026-01-01T12:00:00.000Z", status, parts }) },
  });

test("B-11 admin check prints the differences and exits non-zero; without any it says so", async () => {
  const differences = [{ kind: "orphan_pod", id: "x-1", detail: "no live reservation names it" }];
  const some = checked("differences", part({ status: "differences", differences }), part({ part: "disks" }));
  expect(await some.gpuDev("admin check")).toMatchObject({
    code: 1,
    stdout: "pods\torphan_pod\tx-1\tno live reservation names it\n",
  });
  const none = checked("ok", part(), part({ part: "disks" }));
  expect(await none.gpuDev("admin check")).toEqual({
    code: 0,
    stdout: "",
    stderr: "No differences: pods, disks.\n",
  });
  const silent = checked("unknown", part({ status: "unknown", error: "no answer within 8 s" }));
  expect(await silent.gpuDev("admin check")).toMatchObject({
    code: 75,
    stdout: "pods\tcould not be asked\t\tno answer within 8 s\n",
  });
  expect(JSON.parse((await silent.gpuDev("admin check --json")).stdout).status).toBe("unknown");
});
