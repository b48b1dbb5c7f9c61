import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import type { RunProgram } from "../../src/cli/context.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World } from "./helpers/world.ts";

const exits =
  (code: number): RunProgram =>
  async () => ({ code, stdout: "", stderr: "" });

/** A world with one reservation, which is `after` when it is asked for by its id. */
function worldWith(now: Reservation, code = 0, after: Reservation = now): World {
  return createWorld({
    handlers: { listReservations: () => page(now), getReservation: () => after },
    runProgram: exits(code),
  });
}

test("connect runs the real ssh with our configuration and exits with the command's code", async () => {
  const world = worldWith(reservation(), 7);
  const done = await world.gpuDev("connect hello -- nvidia-smi -L --json");
  expect(done).toEqual({ code: 7, stdout: "", stderr: "" });
  const file = join(world.home, "gd", "ssh_config");
  expect(world.programs).toEqual([
    ["ssh", "-F", file, "gpu-dev-abcdefgh", "--", "nvidia-smi", "-L", "--json"],
  ]);
  expect(readFileSync(file, "utf8")).toContain("gpu-dev-abcdefgh");
});

test("C-12 connect runs a command in the only reservation when it is not named", async () => {
  const world = createWorld({
    handlers: { listReservations: () => page(reservation()), getReservation: () => reservation() },
    terminal: true,
    runProgram: exits(0),
  });
  expect((await world.gpuDev("connect -- nvidia-smi -L")).code).toBe(0);
  expect(world.programs[0]?.slice(-4)).toEqual(["gpu-dev-abcdefgh", "--", "nvidia-smi", "-L"]);
  const script = await worldWith(reservation()).gpuDev("connect -- nvidia-smi");
  expect(script.stderr).toContain("missing required argument 'reservation'");
});

test("C-01 connect --json gives a command's output and exit code as one document", async () => {
  const world = createWorld({
    handlers: { listReservations: () => page(reservation()), getReservation: () => reservation() },
    runProgram: async () => ({ code: 3, stdout: "GPU 0\n", stderr: "careful\n" }),
  });
  const done = await world.gpuDev("connect hello --json -- nvidia-smi -L");
  expect(done.code).toBe(3);
  expect(JSON.parse(done.stdout)).toEqual({
    id: reservation().id,
    exit_code: 3,
    stdout: "GPU 0\n",
    stderr: "careful\n",
  });
});

test("connect without a command opens a shell", async () => {
  const world = worldWith(reservation());
  expect((await world.gpuDev("connect hello")).code).toBe(0);
  expect(world.programs[0]?.at(-1)).toBe("gpu-dev-abcdefgh");
});

test("connect waits for one that is being prepared", async () => {
  const world = worldWith(reservation({ state: "preparing", host_key: null }), 0, reservation());
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(0);
  expect(done.stderr).toContain("Preparing");
  expect(world.programs).toHaveLength(1);
});

test("C-16 connect waits for it 60 s, then says still pending", async () => {
  const world = worldWith(reservation({ state: "preparing", last_error: "ssh: banner missing" }));
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(8);
  expect(done.stderr).toContain("still preparing after 1m");
  expect(done.stderr).toContain("last try: ssh: banner missing");
  expect(world.programs).toEqual([]);
});

test.each([
  [queued(), "hello is still queued: #3, start unknown"],
  [
    reservation({ state: "expired", ended_at: "2026-01-01T11:50:00.000Z", reason: "time is up" }),
    "hello is expired since 2026-01-01T11:50:00.000Z: time is up",
  ],
  [reservation({ state: "failed", reason: "the pod died" }), "hello failed: the pod died"],
  [reservation({ state: "ending" }), "hello is ending"],
])("connect refuses one that is not active, exit 9 (%#)", async (now, words) => {
  const world = worldWith(now);
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(9);
  expect(done.stderr).toContain(words);
  expect(world.programs).toEqual([]);
});

describe("C-24 after 255 it says which it was", () => {
  test("C-24 the reservation ended", async () => {
    const world = worldWith(reservation(), 255, reservation({ state: "expired", reason: "time is up" }));
    const done = await world.gpuDev("connect hello");
    expect(done.code).toBe(255);
    expect(done.stderr).toContain("hello is expired: time is up");
  });

  test("C-24 the connection dropped or was refused", async () => {
    const done = await worldWith(reservation(), 255).gpuDev("connect hello");
    expect(done.code).toBe(255);
    expect(done.stderr).toContain("hello is active: it cannot be reached");
  });

  test.each([
    [0, "", "the connection dropped. Try again: it works now."],
    [
      255,
      "dev@x: Permission denied (publickey).\n",
      "access was refused (dev@x: Permission denied (publickey).)",
    ],
    [255, "gpu-dev: no answer\n", "it cannot be reached (gpu-dev: no answer)"],
  ])("C-24 of an active one another login tells (%#)", async (code, stderr, words) => {
    const results = [
      { code: 255, stdout: "", stderr: "" },
      { code, stdout: "", stderr },
    ];
    const world = createWorld({
      handlers: { listReservations: () => page(reservation()), getReservation: () => reservation() },
      runProgram: async () => results.shift() ?? { code: 1, stdout: "", stderr: "" },
    });
    const done = await world.gpuDev("connect hello");
    expect(done).toMatchObject({ code: 255, stderr: expect.stringContaining(`hello is active: ${words}`) });
    expect(results).toEqual([]);
  });

  test("C-24 a server that cannot say why changes no exit code", async () => {
    const world = worldWith(reservation(), 255);
    world.server.handlers = {
      listReservations: () => page(reservation()),
      getReservation: () => new Problem("not_allowed", "That is not yours"),
    };
    const done = await world.gpuDev("connect hello");
    expect(done).toMatchObject({ code: 255, stderr: expect.stringContaining("That is not yours") });
  });
});

describe("C-25 connect asks no server when ssh was told of the active reservation", () => {
  async function afterList(r: Reservation): Promise<World> {
    const world = worldWith(r);
    await world.gpuDev("list");
    world.server.handlers = {};
    world.server.requests.length = 0;
    return world;
  }

  test.each(["hello", "abcdefgh", "abcdefghijklmnopqrst"])("C-25 by %s", async (word) => {
    const world = await afterList(reservation());
    expect(await world.gpuDev(["connect", word, "--", "true"])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(world.programs[0]).toContain("gpu-dev-abcdefgh");
    expect(world.server.requests).toEqual([]);
  });

  test.each([
    ["its end has come", reservation({ ends_at: "2026-01-01T12:00:00.000Z" }), "hello"],
    ["it was still being prepared", reservation({ state: "preparing", ends_at: null }), "hello"],
    ["it is another's, by name", reservation({ access: "collaborator" }), "hello"],
    ["the word may mean several", reservation(), "abcd"],
    ["the file is gone", reservation(), "hello"],
  ])("C-25 but when %s", async (why, r, word) => {
    const world = await afterList(r);
    if (why === "the file is gone") rmSync(join(world.home, "gd", "ssh_config"));
    world.server.handlers = {
      listReservations: () => page(reservation()),
      getReservation: () => reservation(),
      getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
    };
    expect((await world.gpuDev(["connect", word])).code).toBe(0);
    expect(world.server.requests).not.toEqual([]);
  });

  test("C-25 what had ended meanwhile is told, and the next connect asks anew", async () => {
    const world = createWorld({
      handlers: { listReservations: () => page(reservation()) },
      runProgram: exits(255),
    });
    await world.gpuDev("list");
    const gone = reservation({ state: "cancelled", reason: "by ada", ended_at: "2026-01-01T11:59:00.000Z" });
    world.server.handlers = {
      listReservations: () => page(),
      getReservation: () => gone,
      getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
    };
    expect(await world.gpuDev("connect hello")).toMatchObject({
      code: 255,
      stderr: expect.stringContaining("hello is cancelled since 2026-01-01T11:59:00.000Z: by ada"),
    });
    expect((await world.gpuDev("connect hello")).code).toBe(5);
  });
});

describe("connect --code", () => {
  const editing =
    (ssh = 0): RunProgram =>
    async (program) => ({
      code: program === "ssh" ? ssh : 0,
      stdout: program === "ssh" ? "/home/dev\n" : "",
      stderr: "",
    });

  test.each(["code", "cursor"])("--%s opens the editor on the home in the pod", async (program) => {
    const world = createWorld({
      handlers: { listReservations: () => page(reservation()) },
      runProgram: editing(),
    });
    await world.gpuDev("ssh-config install -y");
    expect(await world.gpuDev(`connect hello --${program}`)).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(world.programs.at(-1)).toEqual([
      program,
      "--folder-uri",
      "vscode-remote://ssh-remote+gpu-dev-abcdefgh/home/dev",
    ]);
  });

  test("without our line in ~/.ssh/config, or without the editor, it says what to do", async () => {
    const world = createWorld({
      handlers: { listReservations: () => page(reservation()) },
      runProgram: async (program, ...rest) => {
        if (program === "code") throw Object.assign(new Error("spawn code ENOENT"), { code: "ENOENT" });
        return await editing()(program, ...rest);
      },
    });
    expect(await world.gpuDev("connect hello --code")).toMatchObject({
      code: 9,
      stderr: expect.stringContaining("gpu-dev ssh-config install"),
    });
    await world.gpuDev("ssh-config install -y");
    expect(await world.gpuDev("connect hello --code")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Install 'code' command in PATH"),
    });
    expect((await world.gpuDev("connect hello --code -- ls")).code).toBe(2);
  });
});

test("a machine without ssh is told what to install", async () => {
  const world = createWorld({
    handlers: { listReservations: () => page(reservation()) },
    runProgram: async () => {
      throw Object.assign(new Error("spawn ssh ENOENT"), { code: "ENOENT" });
    },
  });
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(1);
  expect(done.stderr).toContain("apt install openssh-client");
});
