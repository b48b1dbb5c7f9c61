/** What somebody new does wrong, against a real server: each is told what happened and what to do, with the exit code of the table. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { type Done, gpuDev, runProgram, temporaryHome } from "../helpers/gpu-dev.ts";
import { environment, type ServerProcess, startServerProcess } from "../helpers/server-process.ts";

const { home, remove } = temporaryHome();
const bin = join(import.meta.dirname, "..", "..", "bin", "gpu-dev.js");
const isRoot = process.getuid?.() === 0;
let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({ home, args: ["--simulate", "h100:8"] });
  const reserved = await gpuDev(home, RESERVE);
  expect(reserved, reserved.stderr).toMatchObject({ code: 0 });
});
afterAll(async () => {
  for (const { id, access } of JSON.parse((await gpuDev(home, ["list", "--json"])).stdout).items)
    if (access === "owner") await gpuDev(home, ["cancel", id]);
  await server.stop();
  remove();
});

const RESERVE = "reserve --gpu-type h100 --time 1h --name hello".split(" ");
const typed = (line: string): Promise<Done> => gpuDev(home, line.split(" "));
const typedWith = (line: string, more: Record<string, string>): Promise<Done> =>
  runProgram(process.execPath, [bin, ...line.split(" ")], { env: { ...environment(home), ...more } });

test("C-02 a wrong type: which there are, and which was meant", async () => {
  const done = await typed("reserve --gpu-type h10 --time 1h");
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toMatch(
    /error: --gpu-type: there is no GPU type "h10"; there are: cpu, h100\nDid you mean h100\?\n$/,
  );
});

test("C-02 no server: at which address, who says so, and where to look", async () => {
  expect(await typedWith("list", { GPU_DEV_URL: "http://127.0.0.1:1" })).toEqual({
    code: 75,
    stdout: "",
    stderr:
      "error: No answer from http://127.0.0.1:1 (set by GPU_DEV_URL): the connection was refused\n" +
      "Check the address (GPU_DEV_URL) and your network; `gpu-dev doctor` looks at each step of the way.\n",
  });
  const { home: empty, remove: removeEmpty } = temporaryHome();
  expect(await gpuDev(empty, ["list"])).toEqual({
    code: 4,
    stdout: "",
    stderr:
      "error: No server is configured\nStart one here with `gpu-dev server`, or log in to one that runs: `gpu-dev login URL`.\n",
  });
  removeEmpty();
});

test("C-02 C-21 a wrong token: that it is, and where it comes from, without a character of it", async () => {
  const done = await typedWith("list", { GPU_DEV_TOKEN: "gd_wrongwrongwrong" });
  expect(done).toMatchObject({ code: 4, stdout: "" });
  expect(done.stderr).toMatch(/^error: the token is unknown\n/);
  expect(done.stderr).toContain("`gpu-dev config show --origin` says where the token comes from");
  expect(done.stderr).not.toContain("wrong");
});

test("C-02 an ended reservation: since when and why, whatever is wanted of it", async () => {
  expect((await typed("reserve --gpu-type h100 --time 1h --name bye --no-wait")).code).toBe(0);
  expect((await typed("cancel bye")).code).toBe(0);
  for (const line of ["connect bye", "forward bye 8888", "cp bye:x .", "edit bye --extend 1h"]) {
    const done = await typed(line);
    expect(done, line).toMatchObject({ code: 9, stdout: "" });
    expect(done.stderr, line).toMatch(/^error: .*bye is cancelled.*: cancelled by its owner\n\S/);
  }
});

test("C-12 an ambiguous name: the candidates, by what tells them apart", async () => {
  const me = JSON.parse((await typed("whoami --json")).stdout).name;
  const ids = await Promise.all(["ada", "bob"].map((name) => sharedWith(me, name)));
  const done = await typed("show train");
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toMatch(
    /^error: "train" is the name of several:\n( {2}\w{20} {2}train {2}\w+ {2}(ada|bob)\n){2}Give its id\.\n$/,
  );
  for (const id of ids) expect(done.stderr).toContain(id);
});

/** The id of a reservation called "train" of somebody new, who shares it with `me`. */
async function sharedWith(me: string, name: string): Promise<string> {
  const { token } = await server.api.createUser({ body: { name } });
  const api = createClient({ url: server.url, token: token.token, fetch, version: "99.0.0-test" });
  await api.createKey({ body: { public_key: newKeyPair().publicKey } });
  const { id } = await api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, name: "train" } });
  await api.patchReservation({ params: { id }, body: { add_users: [me] } });
  return id;
}

test.each([
  ["lst", 2, "Unknown command 'lst'", "Did you mean one of list, ls?"],
  ["show helo", 5, 'You have no reservation "helo"', "Did you mean hello?"],
  ["list --al", 2, "Unknown option '--al'", "Did you mean --all?"],
  ["list --state activ", 2, '"activ" is none of', "Did you mean active?"],
  ["config set gpu_typ h100", 2, 'There is no setting "gpu_typ"', "There are: gpu_type, time."],
])("C-19 a typo: %s", async (line, code, what, meant) => {
  const done = await typed(line);
  expect(done).toMatchObject({ code, stdout: "" });
  expect(done.stderr).toContain(what);
  expect(done.stderr).toContain(meant);
});

test("C-18 no terminal: the flag or the argument that is missing, and what it may be", async () => {
  const reserve = await typed("reserve");
  expect(reserve).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(/^error: --gpu-type is missing\nThe server has: .*h100.*\.\n$/),
  });
  for (const line of ["show", "connect", "cancel", "logs", "forward 8888"]) {
    const done = await typed(line);
    expect(done, line).toMatchObject({ code: 2, stdout: "" });
    expect(done.stderr, line).toContain("missing required argument 'reservation'");
  }
});

test("C-20 a closed pipe: the work is done, nothing is said of it", async () => {
  for (const line of ["list --all", "logs hello", "list --all --json"]) {
    const child = spawn(process.execPath, [bin, ...line.split(" ")], {
      env: environment(home),
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect([line, code, stderr]).toEqual([line, 0, ""]);
  }
});

describe.skipIf(!isRoot)("homes that cannot be written (needs root)", () => {
  test("C-02 a full disk: which file, why, and what to do; what needs no file works", async () => {
    const full = mkdtempSync(join(tmpdir(), "gd-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", full]);
    try {
      expect(spawnSync("dd", ["if=/dev/zero", `of=${full}/fill`]).status).toBe(1);
      const { GPU_DEV_HOME: _, ...others } = environment(home);
      const there = (line: string) =>
        runProgram(process.execPath, [bin, ...line.split(" ")], {
          env: { ...others, GPU_DEV_HOME: full, GPU_DEV_URL: server.url, GPU_DEV_TOKEN: server.token },
        });
      const hint = "Mend that, or let GPU_DEV_HOME name a directory for all files of gpu-dev.\n";
      expect(await there("config set time 4h")).toEqual({
        code: 1,
        stdout: "",
        stderr: `error: ${full}/config.json cannot be used: there is no space left on the disk\n${hint}`,
      });
      const listed = await there("list");
      expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining("hello") });
      expect(listed.stderr).toMatch(
        /^The ssh configuration could not be .*: there is no space left on the disk\n$/,
      );
      const key = await there("reserve --gpu-type h100 --time 1h");
      expect(key).toMatchObject({ code: 1, stdout: "" });
      expect(key.stderr).toContain(`Is there room in ${full}, and may you write there?`);
      const forward = await there("forward hello :22 --background");
      expect(forward).toMatchObject({ code: 1, stdout: "" });
      expect(forward.stderr).toContain("there is no space left on the disk");
    } finally {
      execFileSync("umount", [full]);
      rmSync(full, { recursive: true });
    }
  });

  /** Root is not stopped by the modes of files. */
  const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath];
  const canRun = spawnSync("setpriv", [...nobody, bin, "--version"]).status === 0;

  test.skipIf(!canRun)(
    "C-02 a read-only HOME: which file, and how to have it elsewhere; what needs none works",
    async () => {
      const bare = mkdtempSync(join(tmpdir(), "gd-bare-"));
      mkdirSync(join(bare, "home"));
      chmodSync(bare, 0o755);
      chmodSync(join(bare, "home"), 0o555);
      const env = {
        PATH: process.env.PATH,
        HOME: join(bare, "home"),
        GPU_DEV_URL: server.url,
        GPU_DEV_TOKEN: server.token,
      };
      const there = (line: string) => runProgram("setpriv", [...nobody, bin, ...line.split(" ")], { env });
      for (const line of ["avail", "list", "show hello", "logs hello", "config show", "doctor"])
        expect((await there(line)).stdout, line).not.toBe("");
      for (const line of [
        "config set time 4h",
        "reserve --gpu-type h100 --time 1h",
        "forward hello :22 -b",
      ]) {
        const done = await there(line);
        expect(done, line).toMatchObject({ code: 1, stdout: "" });
        expect(done.stderr, line).toMatch(
          /error: \/\S+gd-bare-\S+ cannot be used: permission denied\n.*GPU_DEV_HOME/,
        );
      }
      rmSync(bare, { recursive: true });
    },
  );
});
