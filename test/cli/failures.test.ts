import { describe, expect, test } from "vitest";
import { ERRORS, type ErrorCode, Problem } from "../../src/api/errors.ts";
import { failureOf } from "../../src/cli/errors.ts";
import { reserving } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const problems = Object.keys(ERRORS) as ErrorCode[];
const retried = (code: ErrorCode): boolean => [408, 429, 502, 503].includes(ERRORS[code].status);

describe("C-02 each error of the server has the exit code of the table", () => {
  test.each(problems)("C-02 %s", async (code) => {
    const world = createWorld({
      handlers: { getMe: () => new Problem(code, "what happened", { hint: "do this" }) },
    });
    const plain = await world.gpuDev("whoami");
    expect(plain).toMatchObject({ code: ERRORS[code].exit, stdout: "" });
    expect(plain.stderr).toContain("what happened");
    expect(plain.stderr).toContain("Do this");
    const json = await world.gpuDev("whoami --json");
    expect(json).toMatchObject({ code: ERRORS[code].exit, stderr: "" });
    expect(JSON.parse(json.stdout)).toEqual(
      new Problem(code, "what happened", { hint: "do this" }).document("req-1"),
    );
    // only what is retryable is asked again, within a bound.
    expect(world.server.requests).toHaveLength(retried(code) ? 8 : 2);
  });
});

test.each([
  [401, false, 4],
  [403, false, 4],
  [404, false, 5],
  [409, false, 9],
  [409, true, 75],
  [418, false, 1],
  [500, false, 1],
])(
  "A-19 an unknown code of a newer server: HTTP %d, retryable %s, is exit %d",
  async (status, retryable, exit) => {
    const raw = JSON.stringify({ code: "brand_new", detail: "new words", status, retryable });
    const world = createWorld({
      handlers: { getMe: () => ({ raw, status, type: "application/problem+json" }) },
    });
    const done = await world.gpuDev("whoami");
    expect(done.code).toBe(exit);
    expect(done.stderr).toContain("new words");
  },
);

test("A-03 every offending field is shown by the flag that is typed for it, and none twice", async () => {
  const errors = [
    { field: "gpu_count", code: "too_big", detail: "at most 8" },
    { field: "duration_s", code: "too_small", detail: "at least 60" },
  ];
  const world = createWorld({
    handlers: { getMe: () => new Problem("invalid_input", "gpu_count: at most 8", { errors }) },
  });
  const done = await world.gpuDev("whoami");
  expect(done.stderr.match(/at most 8/g)).toHaveLength(1);
  expect(done.stderr).toContain("--gpus: at most 8\n  --time: at least 60");
  const json = JSON.parse((await world.gpuDev("whoami --json")).stdout);
  expect(json.errors).toEqual(errors);
});

test("C-18 a label that no node has is told by its flag, with nothing above it; what was typed is left as it is", async () => {
  const refusal = new Problem("impossible_request", 'node_labels: no node with h100 has "gpu_type"', {
    hint: "leave out node_labels",
  });
  const world = createWorld({ handlers: { ...reserving, createReservation: () => refusal } });
  expect(await world.gpuDev("reserve -t h100 --node-label zone=b")).toEqual({
    code: 2,
    stdout: "",
    stderr: 'error: --node-label: no node with h100 has "gpu_type"\nLeave out --node-label\n',
  });
});

test("a failure inside of the server is told with the id that its log has", async () => {
  const world = createWorld({ handlers: { getMe: () => new Problem("internal", "something went wrong") } });
  expect((await world.gpuDev("whoami")).stderr).toMatch(
    /^error: something went wrong \(request req-1\)\n.*log/,
  );
});

test("C-03 a 401 is final here: one request, and the way to mend it", async () => {
  const world = createWorld({
    handlers: { getMe: () => new Problem("not_logged_in", "the token is unknown") },
  });
  const done = await world.gpuDev("whoami");
  expect(done.code).toBe(4);
  expect(done.stderr).toContain("gpu-dev config show");
  expect(world.server.requests).toHaveLength(1);
});

describe("C-27 a foreign page is a failing gateway", () => {
  test.each([
    [200, "text/html"],
    [404, "text/html"],
    [502, "text/html"],
    [200, "application/json"],
  ])("C-27 C-04 HTTP %d of %s is never empty and never not found", async (status, type) => {
    const world = createWorld({ handlers: { listReservations: () => ({ raw: "<html>", status, type }) } });
    for (const line of ["list", "show hello", "cancel hello"]) {
      const done = await world.gpuDev(line);
      expect(done.code).toBe(75);
      expect(done.stderr).toContain(`HTTP ${status}`);
      expect(done.stderr).not.toMatch(/no reservation/i);
    }
    const json = JSON.parse((await world.gpuDev("list --json")).stdout);
    expect(json).toMatchObject({ code: "bad_reply", status, retryable: true });
  });
});

test.each([
  ["ECONNREFUSED", "the connection was refused", 4],
  ["ENOTFOUND", "the host name is unknown", 1],
  ["ECONNRESET", "the connection was cut", 4],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "the TLS certificate was not accepted", 1],
])(
  "C-04 %s is a server that cannot be reached, with its URL and where that was set",
  async (code, words, attempts) => {
    const world = createWorld();
    let asked = 0;
    Object.assign(world.server, {
      fetch: async () => {
        asked++;
        throw Object.assign(new Error("x"), { code });
      },
    });
    for (const line of ["list", "show hello", "avail"]) {
      asked = 0;
      const done = await world.gpuDev(line);
      expect(done).toMatchObject({ code: 75, stdout: "" });
      expect(done.stderr).toContain(`No answer from http://gpu.test (set by GPU_DEV_URL): ${words}`);
      expect(asked).toBe(attempts);
    }
  },
);

test.each([
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate", "set NODE_EXTRA_CA_CERTS to its certificate"],
  ["CERT_HAS_EXPIRED", "certificate has expired", "this machine's clock"],
])("C-04 a certificate that is not accepted (%s) is told with what mends it", async (code, why, next) => {
  const world = createWorld();
  const error = Object.assign(new Error(`${why}; try a flag of Node's`), { code });
  Object.assign(world.server, { fetch: () => Promise.reject(error) });
  const { stderr } = await world.gpuDev("list");
  expect(stderr).toContain(`the TLS certificate was not accepted (${why})\n`);
  expect(stderr).toContain(next);
});

test("nothing configured names both ways to configure it, exit 4", async () => {
  const done = await createWorld({ env: { GPU_DEV_URL: "", GPU_DEV_TOKEN: "" } }).gpuDev("list");
  expect(done.code).toBe(4);
  expect(done.stderr).toContain("gpu-dev server");
  expect(done.stderr).toContain("gpu-dev login URL");
});

test.each([
  ["ENOSPC", "there is no space left on the disk"],
  ["EACCES", "permission denied"],
  ["EROFS", "the file system is read-only"],
])("C-02 a file that cannot be used (%s) is named with why and what to do, and is no bug", (code, words) => {
  const path = "/home/ada/.gpu-dev/ssh_config";
  const failure = failureOf(Object.assign(new Error(code), { code, syscall: "open", path }));
  expect(failure).toMatchObject({ exit: 1, message: `${path} cannot be used: ${words}` });
  expect(failure.hint).toContain("GPU_DEV_HOME");
  expect(failure.document).toMatchObject({ code: "file_error", retryable: false });
});

test("C-02 a directory that a read-only file system does not let node make is no bug either", () => {
  const path = "/home/ada/.config/gpu-dev";
  const error = Object.assign(new Error("ENOENT"), { code: "ENOENT", syscall: "mkdir", path });
  const { exit, message } = failureOf(error);
  expect([exit, message]).toEqual([1, expect.stringContaining(`${path} cannot be used: it cannot be made`)]);
});

test("C-21 a password in the URL is refused and not repeated", async () => {
  const done = await createWorld({ env: { GPU_DEV_URL: "http://ada:hunter2@gpu.test" } }).gpuDev("list");
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toContain("GPU_DEV_URL");
  expect(done.stderr).not.toContain("hunter2");
});

test("an unknown context is named", async () => {
  const done = await createWorld().gpuDev("list --context lab");
  expect(done.code).toBe(4);
  expect(done.stderr).toContain('"lab"');
});

test("a URL that is none is a usage error that says where it was set", async () => {
  const done = await createWorld({ env: { GPU_DEV_URL: "localhost:4780" } }).gpuDev("list");
  expect(done.code).toBe(2);
  expect(done.stderr).toContain('"localhost:4780" (set by GPU_DEV_URL)');
});

test("a bug is exit 1 in two lines; --verbose has its stack", async () => {
  const world = createWorld({
    handlers: { listDisks: () => ({ raw: '{"items":null}', status: 200, type: "application/json" }) },
  });
  const done = await world.gpuDev("disk list");
  expect(done).toMatchObject({ code: 1, stdout: "" });
  expect(done.stderr).toMatch(/^error: Unexpected: .*\nRun it again with --verbose.*\n$/);
  expect((await world.gpuDev("disk list --verbose")).stderr).toMatch(/\n +at .*list\.ts/);
});

test("C-21 --verbose tells of requests and never shows the token", async () => {
  const world = createWorld({ handlers: { getMe: () => ({ id: "u", name: "ada", role: "user" as const }) } });
  const done = await world.gpuDev("whoami -v");
  expect(done.stderr).toMatch(/^GET http:\/\/gpu.test\/v1\/me: HTTP 200 in \d+ ms \(request req-1\)$/m);
  expect(done.stdout + done.stderr).not.toContain("secretsecret");
});
