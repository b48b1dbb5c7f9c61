import { describe, expect, test } from "vitest";
import { reservation as schema } from "../../src/api/reservations.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World } from "./helpers/world.ts";

const INSTANTS = Object.keys(schema.shape).filter((field) => /(_at|_since)$/.test(field));
const LINES = [
  "list --all",
  "show hello",
  "show hello --json",
  "cancel hello --no-wait",
  "reserve -t h100 --time 1h --no-wait",
];

/** A server that breaks the contract: whatever it is asked for is `r`, as it stands. */
function saying(r: object): World {
  const raw = (json: object) => ({ raw: JSON.stringify(json), status: 200, type: "application/json" });
  const events = page({ version: 1, at: "whenever", type: "created", state: "queued", detail: null });
  return createWorld({
    handlers: {
      listReservations: () => raw(page(r, reservation({ id: "zbcdefghijklmnopqrst", name: "other" }))),
      getReservation: () => raw(r),
      createReservation: () => raw(r),
      cancelReservation: () => raw(r),
      listEvents: () => raw(events),
      listAdvice: () => page(),
    },
  });
}

describe("C-15 an instant that is none is shown as it came, and hides nothing", () => {
  test.each(INSTANTS)("C-15 %s", async (field) => {
    for (const make of [reservation, queued])
      for (const line of LINES) {
        const done = await saying({ ...make(), [field]: "soon" }).gpuDev(line.replace("hello", make().id));
        expect([line, done.code, done.stderr.includes("error")]).toEqual([line, 0, false]);
        expect(done.stdout).toContain(line.startsWith("list") ? "other\t" : "hello");
        expect(done.stdout + done.stderr).not.toMatch(/NaN|Invalid/);
      }
  });
});

test("C-15 an instant without a zone is UTC, wherever the user is", async () => {
  const { stdout } = await saying(reservation({ ends_at: "2026-01-01T12:30:00" })).gpuDev(
    `show ${reservation().id}`,
  );
  expect(stdout).toContain("end\t2026-01-01T12:30:00.000Z\n");
});
