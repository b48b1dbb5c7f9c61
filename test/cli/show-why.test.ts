import { expect, test } from "vitest";
import type { Diagnostics } from "../../src/api/diagnostics.ts";
import { Problem } from "../../src/api/errors.ts";
import { createWorld } from "./helpers/world.ts";

const id = "abcdefghijklmnopqrst";
const found: Diagnostics = {
  id,
  name: null,
  owner: "bob",
  state: "active",
  state_since: "2026-01-01T11:00:00.000Z",
  state_age_s: 3600,
  deadline_at: "2026-01-01T13:00:00.000Z",
  reason: null,
  latest_start_at: null,
  node: "node-1",
  last_error: null,
  ssh: { attempts: 1, last: { at: "2026-01-01T11:00:00.000Z", ok: true, cause: null, detail: null } },
  pod: {
    name: `${id}-1`,
    attempt: 1,
    state: "unknown",
    detail: "the driver could not be asked: no answer within 5 s",
  },
  next: { step: "wait", detail: "looks at the pod again", at: "2026-01-01T12:00:04.000Z" },
  in_hand_until: "2026-01-01T12:00:14.000Z",
  events: [],
};

test("L-21 show --why asks for a whole id without looking for it: it may be anybody's", async () => {
  const world = createWorld({
    handlers: { getDiagnostics: () => found },
    terminal: true,
    env: { NO_COLOR: "1" },
  });
  const { code, stdout } = await world.gpuDev(`show ${id} --why`);
  expect(code).toBe(0);
  expect(world.server.requests.map(({ route, params }) => [route, params.id])).toEqual([
    ["getDiagnostics", id],
  ]);
  expect(stdout).toMatch(/^state +active for 1h$/m);
  expect(stdout).toMatch(/^ssh +1 try, the last 1h ago: it worked$/m);
  expect(stdout).toMatch(/^driver +the driver could not be asked: no answer within 5 s$/m);
  expect(stdout).toMatch(/^next +looks at the pod again, in 4s$/m);
  expect(stdout).toMatch(/^in hand +a server works on it now$/m);
  expect(JSON.parse((await world.gpuDev(`show ${id} --why --json`)).stdout)).toEqual(found);
});

test("L-21 what is over and what was never tried are said; what is not yours is not found", async () => {
  const world = createWorld({
    handlers: {
      getDiagnostics: () => ({
        ...found,
        state: "cancelled" as const,
        deadline_at: null,
        ssh: { attempts: 0, last: null },
        pod: { name: null, attempt: 0, state: "none" as const, detail: null },
        next: null,
        in_hand_until: null,
      }),
    },
  });
  const { stdout } = await world.gpuDev(`show ${id} --why`);
  expect(stdout).toContain(
    "ssh\tnot tried yet\ndriver\tnothing was launched yet\nnext\tnothing: it is over\n",
  );
  expect(await world.gpuDev(`show ${id} --why --watch`)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--why and --watch cannot be combined"),
  });
  world.server.handlers = {
    getDiagnostics: () => new Problem("not_found", `there is no reservation ${id} of yours`),
  };
  expect((await world.gpuDev(`show ${id} --why`)).code).toBe(5);
});
