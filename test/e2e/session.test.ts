/** The first session, as a user types it: the built command, a real server, OpenSSH on both ends, nothing in between faked. */
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { EXIT } from "../../src/api/errors.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { gpuDev, openssh, runProgram, temporaryHome } from "../helpers/gpu-dev.ts";
import { mountsBelow, processesNaming } from "../helpers/processes.ts";
import { environment, type ServerProcess, startServerProcess } from "../helpers/server-process.ts";

const { home, remove } = temporaryHome();
let server: ServerProcess;
const start = () => startServerProcess({ home, args: ["--simulate", "h100:2"] });
/** Against hanging; a real outside is polled until then. */
const GUARD = { timeout: 60_000, interval: 50 };
const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

beforeAll(async () => {
  server = await start();
});

afterAll(async () => {
  for (const r of JSON.parse((await gpuDev(home, ["list", "--json"])).stdout).items)
    await gpuDev(home, ["cancel", r.id]);
  await vi.waitFor(() => expect(readdirSync(join(home, "data", "pods"))).toEqual([]), GUARD);
  expect(await server.stop()).toBe(0);
  await vi.waitFor(() => expect(processesNaming(home)).toEqual([]), GUARD);
  expect(mountsBelow(home)).toEqual([]);
  remove();
});

async function reserve(name: string, type = "cpu"): Promise<Reservation> {
  const done = await gpuDev(home, ["reserve", "--gpu-type", type, "--time", "1h", "--name", name, "--json"]);
  expect(done).toMatchObject({ code: 0 });
  return JSON.parse(done.stdout) as Reservation;
}

const alias = (r: Reservation) => `gpu-dev-${r.id.slice(0, 8)}`;

test("L-19 L-09 reserve answers when ssh works, and the time starts then", async () => {
  const made = await reserve("hello");
  expect(made).toMatchObject({ state: "active", name: "hello", gpu_type: "cpu", gpu_count: 0 });
  const lasts = Date.parse(made.ends_at ?? "") - Date.parse(made.started_at ?? "");
  expect(lasts).toBe(3_600_000);
  const listed = await gpuDev(home, ["list"]);
  expect(listed.stdout).toContain("hello");
  const shown = await gpuDev(home, ["show", "hello", "--json"]);
  expect(JSON.parse(shown.stdout)).toMatchObject({ id: made.id, state: "active" });
});

test("C-02 connect exits with the command's code", async () => {
  expect(await gpuDev(home, ["connect", "hello", "--", "exit 7"])).toMatchObject({ code: 7, stdout: "" });
  expect(await gpuDev(home, ["connect", "hello", "--", "true"])).toMatchObject({ code: 0, stderr: "" });
});

test("T-02 cp takes a directory there and back, names with blanks included", async () => {
  const [here, back] = [join(home, "to copy"), join(home, "back")];
  mkdirSync(here);
  writeFileSync(join(here, "a b.bin"), randomBytes(100_000));
  expect(await gpuDev(home, ["cp", "-r", here, "hello:there"])).toMatchObject({ code: 0, stderr: "" });
  expect(await gpuDev(home, ["cp", "-r", "hello:there", back])).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(join(back, "a b.bin"))).toEqual(readFileSync(join(here, "a b.bin")));
  expect(await gpuDev(home, ["cp", "hello:missing", back])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("No such file"),
  });
});

test("T-02 bytes come back whole through connect, stdin ending first", async () => {
  const data = randomBytes(6 << 20).toString("base64");
  const done = await gpuDev(home, ["connect", "hello", "--", "cat"], data);
  expect(sha256(Buffer.from(done.stdout))).toBe(sha256(Buffer.from(data)));
});

test("T-15 scp, sftp, rsync and git work by the alias", async () => {
  const host = alias(
    await gpuDev(home, ["show", "hello", "--json"]).then((d) => JSON.parse(d.stdout) as Reservation),
  );
  const local = join(home, "local");
  mkdirSync(local, { recursive: true });
  const data = randomBytes(3 << 20);
  writeFileSync(join(local, "a"), data);
  expect(await openssh(home, "scp", ["-q", join(local, "a"), `${host}:b`])).toMatchObject({ code: 0 });
  expect(await openssh(home, "sftp", ["-q", "-b", "-", host], `get b ${local}/c\n`)).toMatchObject({
    code: 0,
  });
  expect(sha256(readFileSync(join(local, "c")))).toBe(sha256(data));

  const env = environment(home);
  const shell = `ssh -F ${join(home, "ssh_config")}`;
  expect(await runProgram("rsync", ["-e", shell, `${host}:b`, join(local, "d")], { env })).toMatchObject({
    code: 0,
  });
  expect(sha256(readFileSync(join(local, "d")))).toBe(sha256(data));

  const make =
    "git init -q repo && cd repo && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first";
  expect(await openssh(home, "ssh", [host, make])).toMatchObject({ code: 0 });
  const clone = ["clone", "-q", `${host}:repo`, join(local, "repo")];
  expect(await runProgram("git", clone, { env: { ...env, GIT_SSH_COMMAND: shell } })).toMatchObject({
    code: 0,
  });
});

test("S-10 simulated GPUs are given out, and marked", async () => {
  const made = await reserve("sim", "h100");
  expect(made).toMatchObject({ simulated: true, gpu_count: 1, gpus: [0] });
  const seen = await gpuDev(home, [
    "connect",
    "sim",
    "--",
    "echo $CUDA_VISIBLE_DEVICES $GPU_DEV_RESERVATION_ID",
  ]);
  expect(seen.stdout).toBe(`0 ${made.id}\n`);
  expect((await gpuDev(home, ["avail"])).stdout).toMatch(/h100.*simulated/);
});

test("T-08 a session ends within 5 s when its reservation is cancelled, and nothing is left of it", async () => {
  const made = await reserve("short");
  const session = spawn(
    "ssh",
    ["-F", join(home, "ssh_config"), "-S", "none", alias(made), "echo in; sleep 1000"],
    {
      env: environment(home),
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const exit = once(session, "exit");
  await once(session.stdout, "data");
  const from = Date.now();
  expect(await gpuDev(home, ["cancel", "short"])).toMatchObject({ code: 0 });
  const [code] = await exit;
  expect(code).toBe(255);
  expect(Date.now() - from).toBeLessThan(25_000);
  await expect
    .poll(() => readdirSync(join(home, "data", "pods")).join(), { timeout: 60_000 })
    .not.toContain(made.id);
});

test("C-01 reserve --exec runs a command when ssh works, which can use it, and keeps stdout for data", async () => {
  const seen = join(home, "seen");
  const command = `ssh -F ${join(home, "ssh_config")} "$GPU_DEV_SSH_HOST" 'echo $GPU_DEV_RESERVATION_ID' >${seen}; echo talk`;
  const asked = ["--gpu-type", "cpu", "--time", "1h", "--name", "told", "--exec", command, "--json"];
  const done = await gpuDev(home, ["reserve", ...asked]);
  expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining("talk\n") });
  const made = JSON.parse(done.stdout) as Reservation;
  expect(readFileSync(seen, "utf8")).toBe(`${made.id}\n`);
  await gpuDev(home, ["cancel", "told"]);
});

test("A-02 a reservation is cancelled from inside its pod, with what every session has there", async () => {
  const made = await reserve("inside");
  // Without any program but the shell that runs it.
  const ask = `exec 3<>"/dev/tcp/127.0.0.1/\${GPU_DEV_URL##*:}"
printf 'POST /v1/reservations/%s/cancel HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer %s\\r\\nContent-Length: 0\\r\\n\\r\\n' \
  "$GPU_DEV_RESERVATION_ID" "$GPU_DEV_TOKEN" >&3; read -r status <&3; echo "$status"`;
  await gpuDev(home, ["connect", "inside", "--", `bash -c '${ask.replaceAll("'", `'\\''`)}'`]);
  await expect
    .poll(async () => JSON.parse((await gpuDev(home, ["show", made.id, "--json"])).stdout), GUARD)
    .toMatchObject({ state: "cancelled", reason: "cancelled from inside its pod" });
});

test("L-05 killing the server leaves the pods, and a restarted one finds them", async () => {
  const pid = (
    await gpuDev(home, ["connect", "hello", "--", "sleep 1000 >/dev/null 2>&1 & echo $!"])
  ).stdout.trim();
  await server.kill();
  const meanwhile = await gpuDev(home, ["show", "hello"]);
  expect(meanwhile.code).toBe(EXIT.tryLater);
  expect(meanwhile.stderr).toContain("http://127.0.0.1:");
  server = await start();
  const found = await gpuDev(home, ["connect", "hello", "--", `kill -0 ${pid} && echo alive`]);
  expect(found).toMatchObject({ code: 0, stdout: "alive\n" });
});

test("C-04 wrong input is told apart, each with its code", async () => {
  expect((await gpuDev(home, ["show", "nobody"])).code).toBe(EXIT.notFound);
  expect((await gpuDev(home, ["reserve", "--gpu-type", "cpu", "--time", "90"])).code).toBe(EXIT.usage);
  expect((await gpuDev(home, ["reserve", "--gpu-type", "nope", "--time", "1h"])).code).toBe(EXIT.usage);
  expect((await gpuDev(home, ["reserve", "--gpu-type", "h100", "--gpus", "3", "--time", "1h"])).code).toBe(
    EXIT.usage,
  );
  expect((await gpuDev(home, ["edit", "hello", "--extend", "1000d"])).code).not.toBe(0);
});
