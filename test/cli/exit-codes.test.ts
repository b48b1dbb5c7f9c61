/** The README's table of exit codes, each by the built command, and by whoever may notice the same failure. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failure } from "../../src/api/documents.ts";
import { type ErrorCode, Problem } from "../../src/api/errors.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";

const root = join(import.meta.dirname, "..", "..");
const bin = join(root, "bin", "gpu-dev.js");
/** By method and path, where the usual answer is not what a test needs. */
type Answers = Readonly<Record<string, object | string>>;

let home: string;
let server: Server;
let answers: Answers = {};

const usual: Answers = {
  "GET /v1/reservations": page(),
  "POST /v1/reservations": queued(),
  "GET /v1/deployment": { domain: "gpu-dev.internal" },
};
const only = (r: Reservation): Answers => ({
  "GET /v1/reservations": page(r),
  [`GET /v1/reservations/${r.id}`]: r,
});
const refusing = (route: string, code: ErrorCode): Answers => ({
  [route]: new Problem(code, "what happened"),
});

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "gd-exit-"));
  server = createServer((request, response) => {
    request.resume();
    const route = `${request.method} ${request.url?.replace(/\?.*/, "")}`;
    const answer = answers[route] ?? usual[route] ?? queued();
    if (typeof answer === "string") response.setHeader("content-type", "text/html").end(answer);
    else if (answer instanceof Problem)
      response
        .writeHead(answer.status, { "content-type": "application/problem+json" })
        .end(JSON.stringify(answer.document("req-1")));
    else response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  server.close();
  rmSync(home, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly written: { stdout: string; stderr: string };
  readonly code: Promise<number | null>;
}

function start(command: string, args: readonly string[], more: Record<string, string> = {}): Run {
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    GPU_DEV_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    GPU_DEV_TOKEN: "gd_secret",
    ...more,
  };
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  return { child, written, code: once(child, "close").then(([code]) => code as number | null) };
}

const gpuDev = (line: string, more?: Record<string, string>): Run =>
  start(process.execPath, [bin, ...line.split(" ")], more);

const RESERVE = "reserve --gpu-type h100 --time 1h";
const ended = reservation({ state: "expired", ended_at: "2026-01-01T11:50:00.000Z" });
const failed = queued({ state: "failed", ended_at: "2026-01-01T12:00:00.000Z", reason: "the pod died" });
const REFUSED = "http://127.0.0.1:1";

interface Row {
  readonly exit: number;
  readonly what: string;
  readonly line: string;
  readonly given?: Answers;
  readonly env?: Record<string, string>;
}

const table: readonly Row[] = [
  { exit: 0, what: "an empty list", line: "list" },
  { exit: 1, what: "the server's bug", line: "whoami", given: refusing("GET /v1/me", "internal") },
  {
    exit: 1,
    what: "a file that cannot be written",
    line: "ssh-config show",
    env: { GPU_DEV_HOME: "/dev/null/x" },
  },
  { exit: 2, what: "an invalid value that we notice", line: "reserve --gpu-type h100 --time 90" },
  {
    exit: 2,
    what: "one that the server notices",
    line: RESERVE,
    given: refusing("POST /v1/reservations", "invalid_input"),
  },
  { exit: 4, what: "no server", line: "list", env: { GPU_DEV_URL: "" } },
  { exit: 4, what: "a wrong token", line: "list", given: refusing("GET /v1/reservations", "not_logged_in") },
  { exit: 4, what: "not allowed", line: "admin nodes", given: refusing("GET /v1/nodes", "not_allowed") },
  { exit: 5, what: "a name that we find nowhere", line: "show nothing" },
  {
    exit: 5,
    what: "an id that the server does not know",
    line: `show ${"a".repeat(20)}`,
    given: refusing(`GET /v1/reservations/${"a".repeat(20)}`, "not_found"),
  },
  {
    exit: 6,
    what: "nothing is free",
    line: `${RESERVE} --no-queue`,
    given: refusing("POST /v1/reservations", "no_capacity"),
  },
  { exit: 8, what: "a wait that ran out", line: `${RESERVE} --timeout 1s` },
  { exit: 9, what: "one that we see has ended", line: "connect hello -- true", given: only(ended) },
  {
    exit: 9,
    what: "one that the server says has ended",
    line: "edit hello --extend 1h",
    given: {
      ...only(reservation()),
      ...refusing(`PATCH /v1/reservations/${reservation().id}`, "reservation_ended"),
    },
  },
  { exit: 10, what: "it failed while waiting", line: RESERVE, given: only(failed) },
  { exit: 7, what: "a quota", line: RESERVE, given: refusing("POST /v1/reservations", "over_quota") },
  { exit: 75, what: "a server that does not answer", line: "list", env: { GPU_DEV_URL: REFUSED } },
  {
    exit: 75,
    what: "a server that is shutting down",
    line: "list",
    given: refusing("GET /v1/reservations", "draining"),
  },
  { exit: 75, what: "a page of a proxy", line: "list", given: { "GET /v1/reservations": "<html>" } },
];

test.each(table)(
  "C-02 exit $exit: $what, with and without --json",
  async ({ exit, line, given = {}, env }) => {
    answers = given;
    const plain = gpuDev(line, env);
    const json = gpuDev(line.replace(/( --|$)/, " --json$1"), env);
    expect([await plain.code, plain.written]).toEqual([exit, expect.anything()]);
    if (exit !== 0) expect(plain.written.stderr).toMatch(/^error: .+\n.+\n$/m);
    expect(await json.code).toBe(exit);
    const document = JSON.parse(json.written.stdout);
    if (exit !== 0) expect(failure.parse(document)).toMatchObject({ code: expect.any(String) });
  },
);

test("C-02 exit 3: a prompt that is declined", async () => {
  answers = {};
  const { child, written, code } = start(
    "script",
    ["-qfec", `"${process.execPath}" "${bin}" ssh-config install`, "/dev/null"],
    { TERM: "xterm" },
  );
  await expect.poll(() => written.stdout).toContain("(y/N)");
  child.stdin?.write("n\r");
  expect(await code).toBe(3);
});

test("C-02 exit 130: Ctrl-C while waiting without a terminal", async () => {
  answers = {};
  const { child, written, code } = gpuDev(RESERVE);
  await expect.poll(() => written.stderr).toContain("Queued as #3");
  child.kill("SIGINT");
  expect(await code).toBe(130);
});

test.each([7, 255])("C-02 `connect -- command` exits with %d, as ssh did", async (exit) => {
  answers = only(reservation());
  const bins = mkdtempSync(join(home, "bin-"));
  writeFileSync(join(bins, "ssh"), `#!/bin/sh\nexit ${exit}\n`, { mode: 0o755 });
  expect(await gpuDev("connect hello -- job", { PATH: `${bins}:${process.env.PATH}` }).code).toBe(exit);
});

test("C-02 the README's table has each of these codes, and no other but 7, which no limit gives yet", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const section = /## Exit codes\n(.*?)\n## /s.exec(readme)?.[1] ?? "";
  const told = [...section.matchAll(/\| (\d+) \|/g)].map(([, code]) => Number(code));
  const proved = new Set([...table.map(({ exit }) => exit), 3, 130, 7]);
  expect(new Set(told)).toEqual(proved);
});
