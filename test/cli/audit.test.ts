/** `gpu-dev admin audit` as it is typed. */
import { expect, test } from "vitest";
import type { AuditEntry } from "../../src/api/audit.ts";
import { reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const entry = (i: number): AuditEntry => ({
  id: `e${i}`,
  at: "2026-01-01T11:00:00.000Z",
  actor: "u",
  actor_name: "ann",
  action: "token.create",
  subject: "t",
  outcome: "ok",
  from: "10.0.0.1",
  request_id: null,
  detail: null,
  data: { label: "x" },
});
/** A trail of so many entries, in pages. */
const world = (entries: number) =>
  createWorld({
    handlers: {
      listReservations: () => ({ items: [reservation()], next_cursor: null }),
      listAudit: ({ query }) => {
        const [from, limit] = [Number(query.cursor ?? 0), Number(query.limit)];
        const items = Array.from({ length: Math.min(limit, entries - from) }, (_, i) => entry(from + i));
        return { items, next_cursor: from + limit < entries ? String(from + limit) : null };
      },
    },
  });

test.each<[string, Record<string, string>]>([
  ["", {}],
  ["--since 24h", { since: "2025-12-31T12:00:00.000Z" }],
  [
    "--since 2025-12-01 --until 2025-12-02T09:30Z",
    { since: "2025-12-01T00:00:00.000Z", until: "2025-12-02T09:30:00.000Z" },
  ],
  ["--since 2025-12-01T09:00+02:00", { since: "2025-12-01T07:00:00.000Z" }],
  ["--user ann --action token.create --outcome ok", { user: "ann", action: "token.create", outcome: "ok" }],
  ["--reservation hello", { reservation: reservation().id }],
  ["--reservation somebodyelsesabcdefg", { reservation: "somebodyelsesabcdefg" }],
])("admin audit %s", async (flags, query) => {
  const it = world(1);
  const done = await it.gpuDev(`admin audit ${flags}`.trim());
  expect(done.code).toBe(0);
  expect(done.stdout).toBe(
    '2026-01-01T11:00:00.000Z\tann\ttoken.create\tt\tok\t10.0.0.1\t{"label":"x"}\te0\n',
  );
  expect(it.server.requests.at(-1)?.query).toEqual({ limit: "100", ...query });
});

test("O-03 as many as are asked for, over as many pages as that takes", async () => {
  const ids = async (line: string, entries: number) =>
    (JSON.parse((await world(entries).gpuDev(line)).stdout) as { items: AuditEntry[] }).items.length;
  expect(await ids("admin audit --json", 1200)).toBe(100);
  expect(await ids("admin audit --limit 1101 --json", 1200)).toBe(1101);
  expect(await ids("admin audit --limit 5000 --json", 1200)).toBe(1200);
});

test.each([
  ["--since yesterday", "is not a time"],
  ["--since 2025-13-01", "is not a time"],
  ["--since 5", "is not a time"],
  ["--since 1h --until 2h", "--until lies before --since"],
  ["--limit all", "is not a whole number"],
])("admin audit %s asks nothing", async (flags, words) => {
  const it = world(1);
  expect(await it.gpuDev(`admin audit ${flags}`)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(words),
  });
  expect(it.server.requests).toEqual([]);
});
