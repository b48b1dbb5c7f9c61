/** X-09: what a pod in namespaces can and cannot see. */
import { chmod, mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { id8 } from "../../src/api/names.ts";
import type { Driver, PodSpec } from "../../src/drivers/driver.ts";
import { processesOf } from "../../src/drivers/local/process-table.ts";
import { podSpec, untilRunning } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";
import { type KeyPair, makeKey, PodAccess, type Result, run, temporaryDirectory } from "./ssh.ts";

const SECRET = "do-not-read-this";

describe.skipIf(process.getuid?.() !== 0)("namespaces (needs root)", () => {
  let dir: string;
  let masked: string;
  let rig: LocalRig;
  let driver: Driver;
  let user: KeyPair;
  let host: KeyPair;
  let mine: PodSpec;
  let other: PodSpec;
  let access: PodAccess;

  beforeAll(async () => {
    dir = await temporaryDirectory();
    masked = await temporaryDirectory("/var/lib");
    // Not below /tmp, which a pod has of its own: here only the masks hide what must be hidden.
    rig = await LocalRig.make(
      "namespaces",
      { mask: [masked, join(masked, "secret"), `${masked}-later`] },
      "/var/lib",
    );
    await mkdir(rig.options.dataDir, { recursive: true });
    for (const place of [rig.base, rig.options.dataDir, masked]) await chmod(place, 0o755);
    for (const place of [rig.options.dataDir, masked])
      await writeFile(join(place, "secret"), SECRET, { mode: 0o644 });
    process.env.GPU_DEV_TEST_SECRET = SECRET;
    // What a server that was killed while it tried namespaces left behind.
    const probe = join(rig.options.dataDir, "probe-old");
    await mkdir(probe);
    await utimes(probe, 0, 0);
    driver = await rig.open();
    const [made, own] = await Promise.all([makeKey(dir, "host"), makeKey(dir, "user")]);
    [host, user] = [made, own];
    [mine, other] = await Promise.all([podSpec(driver, host, user), podSpec(driver, host, user)]);
    await Promise.all([driver.launch(mine), driver.launch(other)]);
    await Promise.all([untilRunning(driver, mine.name), untilRunning(driver, other.name)]);
    await writeFile(join(rig.dir(other.name), "home", "secret"), SECRET, { mode: 0o644 });
    access = await PodAccess.open(driver, mine.name, host.publicKey);
  });

  afterAll(async () => {
    await access.close();
    expect(await rig.sweep(driver)).toEqual([]);
    expect((await readdir(rig.options.dataDir)).sort()).toEqual(["logs", "pods", "secret"]);
    await rig.close();
    await rm(dir, { recursive: true });
    await rm(masked, { recursive: true });
  });

  const inside = (command: string): Promise<Result> => access.ssh(user, command);
  const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

  test("X-09 the data directory, masked paths, /root and other homes are empty or not there", async () => {
    const places = [rig.options.dataDir, masked, "/root"].map(quoted);
    for (const place of places) {
      expect(await inside(`ls -A ${place}`)).toMatchObject({ stdout: "", code: 0 });
      expect((await inside(`touch ${place}/x`)).code).not.toBe(0);
    }
    expect((await inside("ls -A /home")).stdout).toBe("dev\n");
    expect((await inside(`cat ${quoted(rig.dir(other.name))}/home/secret`)).code).not.toBe(0);
    expect((await inside("ls -A /tmp /var/tmp /dev/shm")).stdout).not.toContain("gpu-dev");
  });

  test("X-09 what is masked stays hidden when it is made after the pod", async () => {
    await mkdir(`${masked}-later`, { mode: 0o755 });
    await writeFile(join(`${masked}-later`, "secret"), SECRET, { mode: 0o644 });
    expect(await inside(`ls -A ${masked}-later`)).toMatchObject({ stdout: "", code: 0 });
    await rm(`${masked}-later`, { recursive: true });
  });

  test("X-09 a user namespace of its own does not uncover what is covered", async () => {
    const place = quoted(rig.options.dataDir);
    const lifted = await inside(
      `unshare -rm sh -c "umount ${place}; umount -l ${place}; cat ${place}/secret"`,
    );
    expect(lifted.code).not.toBe(0);
    expect(lifted.stdout).not.toContain(SECRET);
  });

  test("X-09 host keys and password hashes are out of reach", async () => {
    expect((await inside("cat /run/gpu-dev/host_key /run/gpu-dev/sshd_config")).stdout).toBe("");
    expect((await inside("ls /etc/ssh/ssh_host_* /etc/shadow- /etc/gshadow")).stdout).toBe("");
    expect((await inside("cat /etc/shadow")).code).not.toBe(0);
    const upper = join(rig.dir(mine.name), "upper");
    expect(await readFile(join(upper, "etc", "shadow"), "utf8")).toBe("root:*:::::::\ndev:*:::::::\n");
  });

  test("X-09 other processes can be neither seen nor signalled, and the server's environment is not there", async () => {
    expect((await inside(`kill -0 ${process.pid}`)).code).not.toBe(0);
    expect((await inside("ps -eo args=")).stdout).not.toMatch(/vitest|node/);
    expect((await inside("ls /proc/1/root/ /proc/1/cwd/")).code).not.toBe(0);
    for (const pid of await processesOf(rig.dir(mine.name)))
      expect(await readFile(`/proc/${pid}/environ`, "utf8")).not.toContain(SECRET);
  });

  test("X-09 no capability is left to take, and nothing can be mounted", async () => {
    const { stdout } = await inside("cat /proc/self/status");
    expect(stdout).toMatch(/^CapEff:\s0{16}$/m);
    // chown, setgid, setuid, sys_chroot, audit_write
    expect(stdout).toMatch(/^CapBnd:\s00000000200400c1$/m);
    expect(stdout).toMatch(/^NoNewPrivs:\s1$/m);
    expect((await inside("mount -t tmpfs x /mnt")).code).not.toBe(0);
    expect((await inside("mknod /tmp/disk b 254 0")).code).not.toBe(0);
  });

  test("a pod has its own name, user, terminal list and devices, and the name servers of the host", async () => {
    expect((await inside("hostname; id -un; echo ~")).stdout).toBe(
      `gpu-dev-${id8(mine.reservationId)}\ndev\n/home/dev\n`,
    );
    expect((await inside("ls /dev")).stdout.split("\n").join(" ").trim()).toBe(
      "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
    );
    expect((await inside("cat /etc/resolv.conf")).stdout).toBe(await readFile("/etc/resolv.conf", "utf8"));
    expect((await inside("getent hosts $(hostname)")).code).toBe(0);
  });

  test("the init reaps what is orphaned", async () => {
    const orphan = Number((await inside("(setsid sleep 4000 >/dev/null 2>&1 & echo $!)")).stdout);
    expect((await inside(`ps -o ppid= -p ${orphan}`)).stdout.trim()).toBe("1");
    expect((await inside(`kill ${orphan}`)).code).toBe(0);
    await expect
      .poll(async () => (await inside("ps -eo stat=,args=")).stdout, { timeout: 20_000 })
      .not.toMatch(/^Z|sleep/m);
  });

  test("L-11 a pod whose sshd the kernel killed for want of memory says so, and one that was killed by hand as well", async () => {
    for (const [more, words] of [
      [1, /^out of memory: its sshd was killed/],
      [0, /^its sshd was killed, and not for want of memory$/],
    ] as const) {
      const spec = await podSpec(driver, host, user);
      await driver.launch(spec);
      await untilRunning(driver, spec.name);
      const control = (name: string) => readFile(join(rig.dir(spec.name), "control", name), "utf8");
      await expect.poll(() => control("oom").catch(() => ""), { timeout: 20_000 }).toMatch(/^\d+\n$/);
      // The kernel's own count, as the pod sees it from now on.
      const vmstat = `nr_free_pages 1\noom_kill ${Number(await control("oom")) + more}\n`;
      await writeFile(join(rig.dir(spec.name), "home", "vmstat"), vmstat, { mode: 0o644 });
      const inside = ["-t", String(await rig.claim(spec.name)), "-m"];
      expect(
        await run("nsenter", [...inside, "mount", "--bind", "/home/dev/vmstat", "/proc/vmstat"]),
      ).toMatchObject({ code: 0 });
      const listener = (await processesOf(rig.dir(spec.name))).map(async (pid) => {
        const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
        return command.includes("[listener]") ? [pid] : [];
      });
      const [pid = 0] = (await Promise.all(listener)).flat();
      expect(pid).toBeGreaterThan(0);
      process.kill(pid, "SIGKILL");
      await expect
        .poll(() => driver.inspect(spec.name), { timeout: 20_000 })
        .toEqual({ state: "dead", reason: expect.stringMatching(words) });
      await driver.terminate(spec.name);
    }
  });

  test("X-09 making a pod writes nothing through the links of the host's root", async () => {
    const child = JSON.stringify({
      act: "open",
      options: { local: { ...rig.options, mask: [], dataDir: "/data" } },
    });
    // A root like the host's, in which /etc/hosts is an absolute link; what runs in it comes from the real one, at /mnt.
    const script = `mount -t tmpfs root "$1" && cd "$1" && mkdir upper work merged
      mount -t overlay o -o lowerdir=/,upperdir=upper,workdir=work merged && cd merged
      rm -f etc/hosts && echo untouched >hosts && ln -s /hosts etc/hosts
      mkdir -p data && mount -t tmpfs data data && mount --rbind /dev dev && mount --rbind /proc proc
      pivot_root . mnt && cd / && "/mnt$2" "/mnt$3" "$4" && cat /hosts`;
    const server = join(import.meta.dirname, "server-to-kill.ts");
    const made = await run("unshare", [
      "-m",
      "sh",
      "-ec",
      script,
      "sh",
      masked,
      process.execPath,
      server,
      child,
    ]);
    expect(made).toMatchObject({ code: 0, stdout: "namespaces\nuntouched\n" });
  });

  test("namespaces are tried, not assumed: where they do not work, pods are plain processes", async () => {
    const child = JSON.stringify({
      act: "open",
      options: { local: { ...rig.options, isolation: "auto", dataDir: "." } },
    });
    // The upper directory of an overlay cannot be on an overlay, so that the trial fails in there.
    const script = `cd "$1" && mkdir lower upper work merged && mount -t overlay o -o lowerdir=lower,upperdir=upper,workdir=work merged && cd merged && exec "$2" "$3" "$4"`;
    const args = ["-m", "sh", "-ec", script, "sh", masked, process.execPath];
    const server = join(import.meta.dirname, "server-to-kill.ts");
    expect(await run("unshare", [...args, server, child])).toMatchObject({ code: 0, stdout: "processes\n" });
    const asked = child.replace('"auto"', '"namespaces"');
    await rm(join(masked, "merged"), { recursive: true });
    for (const name of ["lower", "upper", "work"]) await rm(join(masked, name), { recursive: true });
    const refused = await run("unshare", [...args, server, asked]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("pods cannot have namespaces of their own here");
  });
});
