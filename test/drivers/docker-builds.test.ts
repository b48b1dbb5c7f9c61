/** Images that are built from users' contexts, by a real engine with a real registry. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { packContext } from "../../src/cli/images/context.ts";
import { DEFAULT_RULES, type ImageRules } from "../../src/drivers/docker/images.ts";
import { type Driver, LaunchRefused, type PodSpec } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import {
  ANN,
  INSECURE,
  noRegistry,
  type Registry,
  registryFolder,
  startRegistry,
} from "../helpers/registry.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const BOUNDS = { ...DEFAULT_RULES.build, memory: 256 * 2 ** 20, imageMax: 20 * 2 ** 20 };

describe.skipIf(noDockerEngine() ?? noRegistry())("builds", () => {
  let engine: DockerEngine;
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  let open: Registry;
  let closed: Registry;
  const { folder, remove } = registryFolder();
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    [engine, dir] = await Promise.all([
      DockerEngine.start({ gpus: false, args: INSECURE }),
      temporaryDirectory(),
    ]);
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
    open = await startRegistry(engine.address, folder);
    closed = await startRegistry(engine.address, folder, { login: true });
    await engine.docker("tag", await engine.image("busybox"), `${open.host}/box:1`);
    await engine.docker("push", `${open.host}/box:1`);
  }, 60_000);
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await Promise.all([open.stop(), closed.stop()]);
    await engine.stop();
    await rm(dir, { recursive: true });
    remove();
  });

  async function openDriver(build: Partial<ImageRules["build"]> = {}): Promise<Driver> {
    const rig = await DockerRig.make(engine, {
      images: { ...DEFAULT_RULES, build: { ...BOUNDS, ...build } },
    });
    const driver = await rig.open();
    closing.push(
      () => rig.close(),
      () => driver.close(),
    );
    return driver;
  }

  /** A pod whose image is built from these lines, with what `fill` puts beside them. */
  async function specFor(
    driver: Driver,
    lines: readonly string[],
    { fill, key = newId(), ...more }: { fill?: (at: string) => void; key?: string } & Partial<PodSpec> = {},
  ): Promise<PodSpec> {
    const at = await mkdtemp(join(dir, "context-"));
    writeFileSync(join(at, "Dockerfile"), `${lines.join("\n")}\n`);
    fill?.(at);
    const packed = await packContext(join(at, "Dockerfile"), undefined, 2 ** 20);
    const build = { key, context: packed.file, dockerfile: packed.dockerfile };
    const spec = { ...(await podSpec(driver, host, user)), image: { build }, ...more };
    closing.push(
      () => packed.remove(),
      () => driver.terminate(spec.name),
    );
    return spec;
  }

  /** What launching comes to, however long it takes. */
  async function launch(driver: Driver, spec: PodSpec): Promise<unknown> {
    try {
      await driver.launch(spec);
      await vi.waitFor(async () => expect((await driver.inspect(spec.name)).state).not.toBe("starting"), {
        timeout: 60_000,
        interval: 50,
      });
      if ((await driver.inspect(spec.name)).state === "absent") await driver.launch(spec);
      return undefined;
    } catch (error) {
      return error;
    }
  }
  const said = async (driver: Driver, { name }: PodSpec): Promise<string[]> =>
    (await driver.logs(name)).map(({ text }) => text);
  /** Containers of builds, which have no name of ours. */
  const left = async (): Promise<string> =>
    engine.docker("ps", "--all", "--quiet", "--filter", "status=running");

  test("what was sent is in the pod, the log has the build before it, and it is built once", async () => {
    const driver = await openDriver();
    const key = newId();
    const lines = [
      `FROM ${open.host}/box:1`,
      "COPY data /data",
      "RUN echo made > /made && echo step-said-this",
    ];
    const fill = (at: string) => {
      mkdirSync(join(at, "data"));
      writeFileSync(join(at, "data", "file"), "sent\n");
    };
    const first = await specFor(driver, lines, { fill, key });
    expect(await launch(driver, first)).toBeUndefined();
    await untilRunning(driver, first.name);
    const access = await PodAccess.open(driver, first.name, host.publicKey);
    closing.push(() => access.close());
    expect((await access.ssh(user, "cat /data/file /made")).stdout).toBe("sent\nmade\n");
    const log = await driver.logs(first.name);
    expect(log.map(({ number }) => number)).toEqual(log.map((_, i) => i + 1));
    expect(log.map(({ text }) => text)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Step 1\/\d+ : FROM/), "step-said-this"]),
    );
    expect(log.at(-1)?.text).not.toMatch(/^Step/);
    expect(await driver.builtImages?.list()).toContain(key);
    const second = await specFor(driver, lines, { fill, key });
    expect(await launch(driver, second)).toBeUndefined();
    expect((await said(driver, second)).join("\n")).not.toContain("Step");
    // Its pods have it until they go.
    for (const spec of [first, second]) await driver.terminate(spec.name);
    await driver.builtImages?.remove(key);
    await driver.builtImages?.remove(key);
    expect(await driver.builtImages?.list()).not.toContain(key);
  });

  test("X-08 a build has no rights, no login of anybody, no other network than it is given, and its memory's bound", async () => {
    const driver = await openDriver({ network: "none" });
    const spec = await specFor(
      driver,
      [
        `FROM ${closed.host}/box:1`,
        [
          "RUN echo env=$(env | tr '\\n' ' ')",
          "echo net=$(ls /sys/class/net | tr '\\n' ' ')",
          "{ mount -t tmpfs none /mnt 2>&1 || echo no-mount; }",
          "echo memory=$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null)",
          "! grep -rl right /root /run /etc /tmp /var 2>/dev/null && echo nothing-found",
        ].join("; "),
      ],
      { registryLogins: { [closed.host]: ANN } },
    );
    expect(await launch(driver, spec)).toBeUndefined();
    const log = await said(driver, spec);
    expect(log).toEqual(expect.arrayContaining(["no-mount", "nothing-found", `memory=${BOUNDS.memory}`]));
    // Kernels have devices of their own in every network.
    expect(log.find((line) => line.startsWith("net="))).toMatch(/^net=.*lo(?!.*eth)/);
    expect(log.find((line) => line.startsWith("env="))).not.toMatch(/right|ann|gd_|DOCKER|GPU_DEV/);
  });

  test("X-08 what takes too long or too much is ended, with the step that did, and leaves nothing", async () => {
    const slow = await openDriver({ timeMaxS: 2 });
    const sleeps = await launch(slow, await specFor(slow, [`FROM ${open.host}/box:1`, "RUN sleep 1000"]));
    expect(sleeps).toBeInstanceOf(LaunchRefused);
    // How far it comes in that time is the machine's.
    expect(String(sleeps)).toContain("the build took longer than 2s");
    const driver = await openDriver();
    const writes = await launch(
      driver,
      await specFor(driver, [
        `FROM ${open.host}/box:1`,
        "RUN dd if=/dev/zero of=/large bs=1M count=40; sleep 1000",
      ]),
    );
    expect(writes).toBeInstanceOf(LaunchRefused);
    expect(String(writes)).toMatch(/the build wrote more than an image may have, at Step 2/);
    await expect.poll(left, { timeout: 20_000 }).toBe("");
  });

  test.skipIf(!process.env.GPU_DEV_SOAK)("X-08 what is too large in the end has no name", async () => {
    const driver = await openDriver();
    const key = newId();
    const large = await launch(
      driver,
      await specFor(
        driver,
        [
          `FROM ${open.host}/box:1`,
          ...["one", "two"].map((name) => `RUN dd if=/dev/zero of=/${name} bs=1M count=12`),
        ],
        {
          key,
        },
      ),
    );
    expect(large).toBeInstanceOf(LaunchRefused);
    expect(String(large)).toMatch(/the image that was built has \d+ bytes, and may have 20971520/);
    expect(await driver.builtImages?.list()).not.toContain(key);
  });

  test("X-08 nothing that another's build made is in one of the same steps", async () => {
    const driver = await openDriver();
    const made = async () => {
      const lines = [`FROM ${open.host}/box:1`, "RUN echo made=$(head -c 16 /dev/urandom | md5sum)"];
      const spec = await specFor(driver, lines);
      expect(await launch(driver, spec)).toBeUndefined();
      return (await said(driver, spec)).find((line) => line.startsWith("made="));
    };
    const both = [await made(), await made()];
    for (const one of both) expect(one).toMatch(/^made=[0-9a-f]{32}/);
    expect(new Set(both).size).toBe(2);
  });

  test.each(["ADD Dockerfile /stolen", "add --chown=0:0 Dockerfile /stolen", "A\\\nDD Dockerfile /stolen"])(
    "X-08 what the engine would do outside of the bounds is refused, and leaves no image: %j",
    async (line) => {
      const driver = await openDriver();
      const key = newId();
      const spec = await specFor(driver, [`FROM ${open.host}/box:1`, line, "RUN cat /stolen"], { key });
      const refused = await launch(driver, spec);
      expect(refused).toBeInstanceOf(LaunchRefused);
      expect(String(refused)).toContain("use COPY");
      expect(await driver.builtImages?.list()).not.toContain(key);
    },
  );

  test("X-08 steps that a base image brings are refused", async () => {
    const driver = await openDriver();
    const name = `${open.host}/trigger:1`;
    const container = await engine.docker("create", await engine.image("busybox"), "sh");
    await engine.docker("commit", "--change", "ONBUILD ADD Dockerfile /stolen", container, name);
    await engine.docker("rm", container);
    await engine.docker("push", name);
    const refused = await launch(driver, await specFor(driver, [`FROM ${name}`, "RUN cat /stolen"]));
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toContain("ONBUILD");
  });

  test("X-08 a base that the host has by its digest is only for who may have it", async () => {
    const driver = await openDriver();
    const name = `${closed.host}/box`;
    const digest = /sha256:[0-9a-f]{64}/.exec(
      await engine.docker("inspect", `${open.host}/box:1`, "--format", "{{json .RepoDigests}}"),
    )?.[0];
    const lines = [`FROM ${name}@${digest}`, "RUN true"];
    const ann = { registryLogins: { [closed.host]: ANN } };
    expect(await launch(driver, await specFor(driver, lines, ann))).toBeUndefined();
    const refused = await launch(driver, await specFor(driver, lines));
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toContain(`gpu-dev registry login ${closed.host}`);
  });

  test("L-06 a build that fails says where, with the last that it said", async () => {
    const driver = await openDriver();
    const failed = await launch(
      driver,
      await specFor(driver, [`FROM ${open.host}/box:1`, "RUN echo one && echo two && exit 3"]),
    );
    expect(failed).toBeInstanceOf(LaunchRefused);
    expect(String(failed)).toMatch(
      /cannot be built, at Step 2\/\d+ : RUN echo one .*returned a non-zero code: 3\none\ntwo$/s,
    );
    const syntax = await launch(driver, await specFor(driver, [`FROM ${open.host}/box:1`, "RUNS echo"]));
    expect(String(syntax)).toMatch(/unknown instruction: RUNS/i);
    const base = await launch(driver, await specFor(driver, [`FROM ${closed.host}/box:1`]));
    expect(base).toBeInstanceOf(LaunchRefused);
    expect(String(base)).toContain(`gpu-dev registry login ${closed.host}`);
  });

  test("X-08 a link that leads out of the context brings nothing of the server or the host", async () => {
    const driver = await openDriver();
    const fill = (at: string) => symlinkSync("/etc/passwd", join(at, "link"));
    const refused = await launch(
      driver,
      await specFor(driver, [`FROM ${open.host}/box:1`, "COPY link /stolen", "RUN cat /stolen"], { fill }),
    );
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).not.toContain("root:");
  });

  test("L-14 a pod whose image is being built ends at once, and the build with it", async () => {
    const driver = await openDriver();
    const spec = await specFor(driver, [`FROM ${open.host}/box:1`, "RUN sleep 1000"]);
    await driver.launch(spec);
    await expect
      .poll(() => driver.inspect(spec.name), { timeout: 20_000 })
      .toEqual({
        state: "starting",
        reason: expect.stringMatching(/^building the image: Step 2\/\d+ : RUN sleep 1000/),
      });
    // Of its own: steps may forge packets, and pods may not.
    const own = ["--no-trunc", "--quiet", "--filter", "label=gpu-dev.network=builds"];
    const network = await engine.docker("network", "ls", ...own);
    const inIt = () => engine.docker("ps", "--quiet", "--filter", `network=${network}`);
    await expect.poll(inIt).not.toBe("");
    await driver.terminate(spec.name);
    expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
    await expect.poll(left, { timeout: 20_000 }).toBe("");
  });
});
