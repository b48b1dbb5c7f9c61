/** What every driver promises; one suite, run against each. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Driver, DriverError, LaunchRefused, type PodSpec } from "../../src/drivers/driver.ts";
import { type KeyPair, makeKey, PodAccess, run, temporaryDirectory } from "./ssh.ts";

/** A driver under test, and what only its maker can see or break. */
export interface Rig {
  /** A new driver object over the same pods, as after a restart of the server. */
  open(): Promise<Driver>;
  /** How many pods of this name run, as seen from outside of the driver. */
  running(name: string): Promise<number>;
  /** What is left of a pod outside: processes, mounts, directories. */
  remains(name: string): Promise<string[]>;
  /** Kills the pod as a lack of memory would. */
  kill(name: string): Promise<void>;
  /** Makes the next questions about a pod fail; the result repairs it. */
  breakAsking(name: string): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

export const newId = (): string =>
  `a${Array.from({ length: 19 }, () => LETTERS[Math.floor(Math.random() * 32)]).join("")}`;

/** A pod of the simulated type h100 that the rigs offer. */
export async function podSpec(driver: Driver, host: KeyPair, user: KeyPair): Promise<PodSpec> {
  const node = (await driver.capacity()).find((entry) => entry.gpuType === "h100");
  if (!node) throw new Error("the rig offers no h100");
  const reservationId = newId();
  return {
    name: `${reservationId}-1`,
    reservationId,
    node: node.node,
    gpuType: "h100",
    gpus: [1, 3],
    simulated: true,
    hostKey: host.privateKey,
    authorizedKeys: [user.publicKey],
    deadlineS: 3600,
    environment: {},
  };
}

export const untilRunning = (driver: Driver, name: string) =>
  vi.waitFor(async () => expect(await driver.inspect(name)).toEqual({ state: "running" }), {
    timeout: 60_000,
    interval: 20,
  });

const KEY = `ssh-ed25519 ${"A".repeat(68)}`;
const HOSTILE: Record<string, Partial<PodSpec>> = {
  "a name that is a path": { name: "../../etc" },
  "a name of another reservation": { name: `${newId()}-1` },
  "a second line in the environment": { environment: { A: "1\nForceCommand id" } },
  "a variable's name with a blank": { environment: { "A B": "1" } },
  "a variable that changes the loader": { environment: { LD_PRELOAD: "/tmp/x.so" } },
  "two keys in one": { authorizedKeys: [`${KEY}\n${KEY}`] },
  "a key with options": { authorizedKeys: [`command="id" ${KEY}`] },
  "a host key that is none": { hostKey: "-----BEGIN OPENSSH PRIVATE KEY-----\n$(id)\n" },
  "a GPU type with a slash": { gpuType: "h100/../x" },
  "a GPU that is not there": { gpus: [64] },
  "the same GPU twice": { gpus: [1, 1] },
  "another node": { node: "elsewhere" },
  "a deadline that is no number": { deadlineS: Number.NaN },
};

export function driverContract(title: string, makeRig: () => Promise<Rig>): void {
  describe(title, () => {
    let rig: Rig;
    let driver: Driver;
    let dir: string;
    let user: KeyPair;
    let host: KeyPair;
    let spec: PodSpec;
    const accesses: PodAccess[] = [];

    beforeEach(async () => {
      [rig, dir] = await Promise.all([makeRig(), temporaryDirectory()]);
      driver = await rig.open();
      [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
      spec = await podSpec(driver, host, user);
    });

    afterEach(async () => {
      await Promise.all(accesses.splice(0).map((access) => access.close()));
      for (const name of (await driver.list()).pods) await driver.terminate(name);
      expect(await rig.remains(spec.name)).toEqual([]);
      await driver.close();
      await rig.close();
      await rm(dir, { recursive: true });
    });

    async function reopened(): Promise<Driver> {
      await driver.close();
      return rig.open();
    }

    async function enter(from = driver): Promise<PodAccess> {
      await untilRunning(from, spec.name);
      const access = await PodAccess.open(from, spec.name, host.publicKey);
      accesses.push(access);
      return access;
    }

    test("a pod that nobody launched is absent, and ending it is done at once", async () => {
      expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
      await driver.terminate(spec.name);
      expect((await driver.list()).pods).toEqual([]);
    });

    test("T-14 a pod answers under the host key that it was given, and not under another", async () => {
      await driver.launch(spec);
      expect((await (await enter()).ssh(user, "echo hello")).stdout).toBe("hello\n");
      const wrong = await PodAccess.open(driver, spec.name, user.publicKey);
      accesses.push(wrong);
      const refused = await wrong.ssh(user, "echo hello");
      expect(refused.code).toBe(255);
      expect(refused.stderr).toContain("Host key verification failed");
    });

    test("X-03 sessions see the environment to the letter, and nothing of it is interpreted", async () => {
      const environment = {
        QUOTES: `a "b" 'c' \\ \\" $HOME $(id) \`id\` # ; | & > x`,
        EMPTY: "",
        WORDS: "ä 日本 = %h %%",
      };
      await driver.launch({ ...spec, environment });
      const { stdout } = await (await enter()).ssh(user, "env -0");
      expect(stdout.split("\0")).toEqual(
        expect.arrayContaining([
          ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
          "CUDA_VISIBLE_DEVICES=1,3",
          `GPU_DEV_RESERVATION_ID=${spec.reservationId}`,
          "GPU_DEV_GPU_TYPE=h100",
          "GPU_DEV_GPU_COUNT=2",
          "GPU_DEV_SIMULATED=1",
        ]),
      );
    });

    test("X-03 a hostile spec is refused, and nothing is made of it", async () => {
      for (const [what, hostile] of Object.entries(HOSTILE))
        await expect(driver.launch({ ...spec, ...hostile }), what).rejects.toThrow(LaunchRefused);
      expect((await driver.list()).pods).toEqual([]);
    });

    test("files go in and out by scp and sftp, and a git repository is cloned", async () => {
      await driver.launch(spec);
      const access = await enter();
      const [here, back] = [join(dir, "here"), join(dir, "back")];
      await writeFile(here, Buffer.alloc(1 << 20, "gpu-dev "));
      const scp = await run("scp", [...access.options(user), here, `${access.target}:there`]);
      expect(scp).toMatchObject({ code: 0 });
      const sftp = await run(
        "sftp",
        [...access.options(user), "-b", "-", access.target],
        `get there ${back}\n`,
      );
      expect(sftp).toMatchObject({ code: 0 });
      expect(await readFile(back)).toEqual(await readFile(here));
      expect(await access.ssh(user, "git init -q --bare repo.git && pwd && ls")).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/repo\.git\nthere\n$/),
      });
      const ssh = ["ssh", ...access.options(user)].map((word) => `'${word}'`).join(" ");
      const clone = await run("git", [
        ...["-c", `core.sshCommand=${ssh}`, "clone", "-q", `${access.target}:repo.git`, join(dir, "clone")],
      ]);
      expect(clone).toMatchObject({ code: 0 });
    });

    test("a login shell has a terminal and starts in the pod's home", async () => {
      await driver.launch(spec);
      const access = await enter();
      const shell = await run(
        "ssh",
        [...access.options(user), "-tt", access.target],
        "echo at=$PWD home=$HOME; tty; exit 7\n",
      );
      expect(shell.code).toBe(7);
      expect(shell.stdout).toMatch(/at=(.+) home=\1\r/);
      expect(shell.stdout).toMatch(/\/dev\/pts\/\d+\r/);
    });

    test("L-04 launching again, also at the same moment from two servers, is the same pod", async () => {
      const other = await rig.open();
      await Promise.all([driver.launch(spec), driver.launch(spec)]);
      const access = await enter();
      await access.ssh(user, "echo mine > mark");
      await Promise.all([driver.launch(spec), other.launch(spec), other.launch(spec)]);
      expect((await access.ssh(user, "cat mark")).stdout).toBe("mine\n");
      expect(await rig.running(spec.name)).toBe(1);
      expect((await other.list()).pods).toEqual([spec.name]);
      await other.close();
    });

    test("L-05 a pod outlives its server, and a new one finds it", async () => {
      await driver.launch(spec);
      await untilRunning(driver, spec.name);
      driver = await reopened();
      expect((await driver.list()).pods).toEqual([spec.name]);
      expect((await (await enter()).ssh(user, "echo still")).stdout).toBe("still\n");
    });

    test("ending a pod ends its sessions and what they started, and can be repeated", async () => {
      await driver.launch(spec);
      const access = await enter();
      const session = access.hold(user, "setsid nohup sleep 4000 >/dev/null 2>&1 & echo up; sleep 4000");
      await new Promise((resolve) => session.stdout?.once("data", resolve));
      await Promise.all([driver.terminate(spec.name), driver.terminate(spec.name)]);
      expect(await rig.remains(spec.name)).toEqual([]);
      expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
      expect((await driver.list()).pods).toEqual([]);
      await expect(driver.dial(spec.name, 22)).rejects.toThrow(DriverError);
    });

    test("L-11 a pod that was killed is dead, is still listed, and does not come back by launching", async () => {
      const told = new Set<string>();
      const stop = driver.watch?.((pod) => told.add(pod));
      await driver.launch(spec);
      await untilRunning(driver, spec.name);
      await rig.kill(spec.name);
      await expect
        .poll(() => driver.inspect(spec.name), { timeout: 60_000 })
        .toMatchObject({ state: "dead" });
      if (stop) await expect.poll(() => told, { timeout: 60_000 }).toEqual(new Set([spec.name]));
      stop?.();
      await driver.launch(spec);
      expect(await driver.inspect(spec.name)).toMatchObject({ state: "dead" });
      expect((await driver.list()).pods).toEqual([spec.name]);
    });

    test("L-11 a pod that cannot be asked about is an error, never absent or dead", async () => {
      await driver.launch(spec);
      await untilRunning(driver, spec.name);
      // Who launched it may know that it runs, until then.
      await driver.update(spec.name, { deadlineS: spec.deadlineS });
      const repair = await rig.breakAsking(spec.name);
      await expect(driver.inspect(spec.name)).rejects.toThrow(DriverError);
      await repair();
      expect(await driver.inspect(spec.name)).toEqual({ state: "running" });
    });

    const saidBy = async (name: string, after?: number): Promise<string[]> =>
      (await driver.logs(name, after)).map(({ text }) => text);

    test("what the pod's parts said can be read while it runs, on from a line, and when it is gone", async () => {
      expect(await driver.logs(spec.name)).toEqual([]);
      const began = Date.now();
      await driver.launch(spec);
      const access = await enter();
      await access.ssh(user, "true");
      const login = expect.stringMatching(/^Accepted publickey for /);
      await expect.poll(() => saidBy(spec.name), { timeout: 60_000 }).toContainEqual(login);
      const lines = await driver.logs(spec.name);
      expect(lines.map(({ number }) => number)).toEqual(lines.map((_, i) => i + 1));
      for (const { at } of lines) expect(Date.parse(at)).toBeGreaterThanOrEqual(began - 1000);
      expect(JSON.stringify(lines)).not.toMatch(/PRIVATE KEY|pods\//);
      const second = lines.at(1)?.number ?? 0;
      expect((await driver.logs(spec.name, second)).at(0)).toEqual(lines.at(2));
      await driver.terminate(spec.name);
      expect((await driver.logs(spec.name)).slice(0, lines.length)).toEqual(lines);
      driver = await reopened();
      expect((await driver.logs(spec.name)).slice(0, lines.length)).toEqual(lines);
      expect(await driver.logs(`${newId()}-1`)).toEqual([]);
    });

    test("the last words of a pod that was killed can be read", async () => {
      await driver.launch(spec);
      await untilRunning(driver, spec.name);
      await expect.poll(() => saidBy(spec.name), { timeout: 60_000 }).not.toEqual([]);
      await rig.kill(spec.name);
      await expect
        .poll(() => driver.inspect(spec.name), { timeout: 60_000 })
        .toMatchObject({ state: "dead" });
      expect(await saidBy(spec.name)).not.toEqual([]);
    });

    test("L-18 a pod ends itself 60 s after its deadline, without any server", async () => {
      await driver.launch({ ...spec, deadlineS: -30 });
      const access = await enter();
      const session = access.hold(user, "echo up; sleep 4000");
      await new Promise((resolve) => session.stdout?.once("data", resolve));
      await driver.update(spec.name, { deadlineS: -70 });
      await driver.close();
      await expect.poll(() => rig.running(spec.name), { timeout: 60_000 }).toBe(0);
      driver = await rig.open();
      // Its sshd goes first, its init a moment later.
      const dead = { state: "dead", reason: "its deadline passed" };
      await expect.poll(() => driver.inspect(spec.name), { timeout: 60_000 }).toEqual(dead);
    });

    test("keys that were changed count from the next login on", async () => {
      const second = await makeKey(dir, "second");
      await driver.launch(spec);
      const access = await enter();
      expect((await access.ssh(second, "true")).code).toBe(255);
      await driver.update(spec.name, { authorizedKeys: [second.publicKey] });
      expect((await access.ssh(second, "true")).code).toBe(0);
      expect((await access.ssh(user, "true")).code).toBe(255);
      const hostile = driver.update(spec.name, { authorizedKeys: [`command="id" ${user.publicKey}`] });
      await expect(hostile).rejects.toThrow(LaunchRefused);
    });

    test("L-10 a notice is shown once in every terminal, those that do not read included, and kept in the home", async () => {
      await driver.launch(spec);
      const access = await enter();
      const seen = ["", ""];
      const terminals = seen.map((_, i) => {
        const session = access.hold(user, "echo up; exec sleep 4000", ["-tt"]);
        session.stdout?.on("data", (chunk) => {
          // A terminal that makes CR LF of LF makes CR CR LF of ours.
          seen[i] += String(chunk).replaceAll("\r", "");
        });
        return session;
      });
      const stopped = access.hold(user, "yes", ["-tt"]);
      await Promise.all([...terminals, stopped].map((s) => new Promise((r) => s.stdout?.once("data", r))));
      // Its terminal fills up, and nobody reads it.
      stopped.kill("SIGSTOP");
      await driver.update(spec.name, { endNotice: "it ends at 16:32\nextend it" });
      await driver.update(spec.name, { endNotice: "it ends at 16:32\nextend it" });
      expect((await access.ssh(user, "cat GPU_DEV_NOTICE")).stdout).toBe("it ends at 16:32\nextend it\n");
      expect((await access.ssh(user, "rm GPU_DEV_NOTICE && mkdir -p GPU_DEV_NOTICE/mine")).code).toBe(0);
      await driver.update(spec.name, { endNotice: "it ends at 17:00" });
      const both = "up\n\nit ends at 16:32\nextend it\n\nit ends at 17:00\n";
      await expect.poll(() => seen, { timeout: 60_000 }).toEqual([both, both]);
      expect((await access.ssh(user, "rm -r GPU_DEV_NOTICE")).code).toBe(0);
      await driver.update(spec.name, { endNotice: "it ends at 18:00" });
      await driver.update(spec.name, { endNotice: "" });
      expect((await access.ssh(user, "ls")).stdout).toBe("");
    });

    test("what is said of its end stays when what is said of its idleness is taken back, and the other way", async () => {
      await driver.launch(spec);
      const access = await enter();
      const told = async () => (await access.ssh(user, "cat GPU_DEV_NOTICE || true")).stdout;
      await driver.update(spec.name, { endNotice: "it ends" });
      await driver.update(spec.name, { idleNotice: "it is idle" });
      expect(await told()).toBe("it ends\nit is idle\n");
      await driver.update(spec.name, { idleNotice: "" });
      expect(await told()).toBe("it ends\n");
      await driver.update(spec.name, { idleNotice: "it is idle" });
      await driver.update(spec.name, { endNotice: "" });
      expect(await told()).toBe("it is idle\n");
      await driver.update(spec.name, { idleNotice: "" });
      expect(await told()).toBe("");
    });

    test("X-03 a notice can neither move a cursor nor write where a link of the user's leads", async () => {
      await driver.launch(spec);
      const access = await enter();
      for (const notice of ["a\rb", "\x1b[2J", "\x9b2J", "a\tb", "x".repeat(2001)])
        await expect(driver.update(spec.name, { endNotice: notice }), notice).rejects.toThrow(LaunchRefused);
      const victim = join(dir, "victim");
      await writeFile(victim, "mine");
      await access.ssh(user, `ln -s '${victim}' GPU_DEV_NOTICE`);
      await driver.update(spec.name, { endNotice: "it ends" });
      expect(await readFile(victim, "utf8")).toBe("mine");
      expect((await access.ssh(user, "cat GPU_DEV_NOTICE")).stdout).toBe("it ends\n");
    });

    test("whether somebody is connected is told to who asks", async () => {
      await driver.launch(spec);
      const access = await enter();
      const sessions = async () => {
        const view = await driver.inspect(spec.name, { activity: true });
        return view.state === "running" ? view.activity : undefined;
      };
      expect(await driver.inspect(spec.name)).toEqual({ state: "running" });
      await expect.poll(sessions, { timeout: 60_000 }).toEqual({ sessions: 0, gpuBusy: false });
      const held = [0, 1].map(() => access.hold(user, "echo up; sleep 4000"));
      await Promise.all(held.map((session) => new Promise((r) => session.stdout?.once("data", r))));
      await expect.poll(sessions, { timeout: 60_000 }).toEqual({ sessions: 2, gpuBusy: false });
      for (const session of held) session.kill();
      await expect.poll(sessions, { timeout: 60_000 }).toEqual({ sessions: 0, gpuBusy: false });
    });

    test("what a pod uses is told while it runs, also what those of its processes used that have ended", async () => {
      await driver.launch(spec);
      const access = await enter();
      const looks = async () => {
        const { atMs, cpu, memory, gpus, network, home } = await driver.usage(spec.name);
        // None of these can be unknown to a driver; the others say why they are.
        if ("unknown" in cpu || "unknown" in memory) throw new Error("neither CPU nor memory are known");
        for (const part of [gpus, network, home])
          if ("unknown" in part) expect(part.unknown).toMatch(/^\S.+\S$/);
        return { atMs, cpu: cpu.usedS, memory: memory.usedBytes, room: memory.limitBytes, gpus };
      };
      const before = await looks();
      expect(before).toMatchObject({ gpus: [] });
      expect(before.room).toBeGreaterThan(before.memory);
      expect((await access.ssh(user, "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done")).code).toBe(0);
      await expect
        .poll(async () => (await looks()).cpu, { timeout: 60_000 })
        .toBeGreaterThan(before.cpu + 0.05);
      // A last command would take the shell's place, and its memory.
      const keep = `x=$(head -c 50000000 /dev/zero | tr "\\0" x); echo up; sleep 4000; true`;
      const session = access.hold(user, keep);
      await new Promise((resolve) => session.stdout?.once("data", resolve));
      const after = await looks();
      expect(after.memory).toBeGreaterThan(before.memory + 49_000_000);
      expect(after.atMs).toBeGreaterThan(before.atMs);
      await rig.kill(spec.name);
      await expect
        .poll(() => driver.inspect(spec.name), { timeout: 60_000 })
        .toMatchObject({ state: "dead" });
      await expect(driver.usage(spec.name)).rejects.toThrow(DriverError);
      await expect(driver.usage(`${newId()}-1`)).rejects.toThrow(DriverError);
    });

    test("L-19 a key that is only there to prove the login can do nothing else", async () => {
      const probe = await makeKey(dir, "probe");
      const line = `restrict,command="exit 0" ${probe.publicKey}`;
      await driver.launch({ ...spec, authorizedKeys: [user.publicKey, line] });
      const access = await enter();
      expect((await access.ssh(probe, "touch made; exit 9")).code).toBe(0);
      expect((await access.ssh(user, "ls")).stdout).toBe("");
    });

    test("a port that nobody listens on is a DriverError", async () => {
      await driver.launch(spec);
      await untilRunning(driver, spec.name);
      await expect(driver.dial(spec.name, 1)).rejects.toThrow(DriverError);
    });
  });
}
