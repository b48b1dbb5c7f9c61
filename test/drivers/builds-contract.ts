/** Images that are built from users' contexts, with a real registry; one suite for every engine. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeLeftovers } from "../../src/drivers/docker/build-leftovers.ts";
import { LaunchRefused } from "../../src/drivers/driver.ts";
import { ANN } from "../helpers/registry.ts";
import { newId, untilRunning } from "./contract.ts";
import { BOUNDS, type ImagesRig, said } from "./images-rig.ts";

/** Containers of builds, which have no name of ours. */
const left = ({ engine }: ImagesRig): Promise<string> =>
  engine.docker("ps", "--all", "--quiet", "--filter", "status=running");

/** The rig is there when a test runs. */
export function buildsContract(rig: () => ImagesRig): void {
  test("what was sent is in the pod, the log has the build before it, and it is built once", async () => {
    const driver = await rig().driver();
    const key = newId();
    const lines = [
      `FROM ${rig().open.host}/team/busybox:1`,
      "COPY data /data",
      "RUN echo made > /made && echo step-said-this",
    ];
    const fill = (at: string) => {
      mkdirSync(join(at, "data"));
      writeFileSync(join(at, "data", "file"), "sent\n");
      // With this at its beginning an engine takes a tar file for one that is compressed.
      writeFileSync(join(at, "BZh9"), "");
    };
    const first = await rig().built(driver, lines, { fill, key });
    expect(await rig().launch(driver, first)).toBeUndefined();
    await untilRunning(driver, first.name);
    expect(await rig().inPod(driver, first, "cat /data/file /made")).toBe("sent\nmade\n");
    const log = await driver.logs(first.name);
    expect(log.map(({ number }) => number)).toEqual(log.map((_, i) => i + 1));
    expect(log.map(({ text }) => text)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Step 1\/\d+ : FROM/), "step-said-this"]),
    );
    expect(log.at(-1)?.text).not.toMatch(/^Step/);
    expect(await driver.builtImages?.list()).toContain(key);
    const second = await rig().built(driver, lines, { fill, key });
    expect(await rig().launch(driver, second)).toBeUndefined();
    expect((await said(driver, second)).join("\n")).not.toContain("Step");
    // Its pods have it until they go.
    for (const spec of [first, second]) await driver.terminate(spec.name);
    await driver.builtImages?.remove(key);
    await driver.builtImages?.remove(key);
    expect(await driver.builtImages?.list()).not.toContain(key);
  });

  test("X-08 a build has no rights, no login of anybody, no other network than it is given, and bounds of memory and processes", async () => {
    const driver = await rig().ruled({ build: { network: "none" } });
    const spec = await rig().built(
      driver,
      [
        `FROM ${rig().closed.host}/team/busybox:1`,
        // By its labels a step's container is known, and held to them.
        "LABEL gpu-dev.part=mine gpu-dev.builder=mine",
        [
          "RUN echo env=$(env | tr '\\n' ' ')",
          "echo net=$(ls /sys/class/net | tr '\\n' ' ')",
          `until cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | grep -x ${BOUNDS.pids}; do sleep 0.05; done`,
          "{ mount -t tmpfs none /mnt 2>&1 || echo no-mount; }",
          "echo memory=$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null)",
          "! grep -rl right /root /run /etc /tmp /var 2>/dev/null && echo nothing-found",
        ].join("; "),
      ],
      { registryLogins: { [rig().closed.host]: ANN } },
    );
    expect(await rig().launch(driver, spec)).toBeUndefined();
    const log = await said(driver, spec);
    expect(log).toEqual(expect.arrayContaining(["no-mount", "nothing-found", `memory=${BOUNDS.memory}`]));
    // Kernels have devices of their own in every network.
    expect(log.find((line) => line.startsWith("net="))).toMatch(/^net=.*lo(?!.*eth)/);
    expect(log.find((line) => line.startsWith("env="))).not.toMatch(/right|ann|gd_|DOCKER|GPU_DEV/);
  });

  test("X-08 what takes too long or too much is ended, with the step that did, and leaves nothing", async () => {
    const slow = await rig().ruled({ build: { timeMaxS: 2 } });
    const sleeps = await rig().launch(
      slow,
      await rig().built(slow, [`FROM ${rig().open.host}/team/busybox:1`, "RUN sleep 1000"]),
    );
    expect(sleeps).toBeInstanceOf(LaunchRefused);
    // How far it comes in that time is the machine's.
    expect(String(sleeps)).toContain("the build took longer than 2s");
    const driver = await rig().driver();
    const writes = await rig().launch(
      driver,
      await rig().built(driver, [
        `FROM ${rig().open.host}/team/busybox:1`,
        "RUN dd if=/dev/zero of=/large bs=1M count=40; sleep 1000",
      ]),
    );
    expect(writes).toBeInstanceOf(LaunchRefused);
    expect(String(writes)).toMatch(/the build wrote more than an image may have, at Step 2/);
    await expect.poll(() => left(rig()), { timeout: 20_000 }).toBe("");
  });

  test.skipIf(!process.env.GPU_DEV_SOAK)("X-08 what is too large in the end has no name", async () => {
    const driver = await rig().driver();
    const key = newId();
    const large = await rig().launch(
      driver,
      await rig().built(
        driver,
        [
          `FROM ${rig().open.host}/team/busybox:1`,
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
    const driver = await rig().driver();
    const made = async () => {
      const lines = [
        `FROM ${rig().open.host}/team/busybox:1`,
        "RUN echo made=$(head -c 16 /dev/urandom | md5sum)",
      ];
      const spec = await rig().built(driver, lines);
      expect(await rig().launch(driver, spec)).toBeUndefined();
      return (await said(driver, spec)).find((line) => line.startsWith("made="));
    };
    const both = [await made(), await made()];
    for (const one of both) expect(one).toMatch(/^made=[0-9a-f]{32}/);
    expect(new Set(both).size).toBe(2);
  });

  const leftOf = async (owner: string): Promise<string[]> => {
    const query = ["--filter", "dangling=true", "--filter", `label=gpu-dev.builder=${owner}`];
    const ids = await rig().engine.docker("images", "--quiet", ...query);
    return ids === "" ? [] : ids.split("\n");
  };

  test("X-08 what a build leaves that fails is there for the next try, and goes with the next of its user", async () => {
    const driver = await rig().driver();
    const owner = newId();
    const build = async (...lines: string[]) => {
      const spec = await rig().built(driver, [`FROM ${rig().open.host}/team/busybox:1`, ...lines], { owner });
      return { error: await rig().launch(driver, spec), log: (await said(driver, spec)).join("\n") };
    };
    expect((await build("RUN echo one > /one", "RUN false")).error).toBeInstanceOf(LaunchRefused);
    const first = await leftOf(owner);
    expect(first).toHaveLength(1);
    const again = await build("RUN echo one > /one", "RUN exit 4");
    expect(again.log).toContain("Using cache");
    expect(await leftOf(owner)).toEqual(first);
    expect((await build("RUN echo two > /two", "RUN false")).error).toBeInstanceOf(LaunchRefused);
    const second = await leftOf(owner);
    expect(second).toHaveLength(1);
    expect(second).not.toEqual(first);
    // As after a crash: by their labels.
    await removeLeftovers(await rig().client(), rig().names, { olderThanS: 3600 });
    expect(await leftOf(owner)).toEqual(second);
    await removeLeftovers(await rig().client(), rig().names, {});
    expect(await leftOf(owner)).toEqual([]);
  });

  test("X-08 a build has no engine ask within its own network", async () => {
    const driver = await rig().driver();
    const lines = ["ARG HOST=169.254.169.254", "FROM $HOST/latest/meta-data"];
    const refused = await rig().launch(driver, await rig().built(driver, lines));
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toContain("images.registries");
  });

  test("X-08 steps that a base image brings are refused", async () => {
    const driver = await rig().driver();
    const name = `${rig().open.host}/trigger:1`;
    const container = await rig().engine.docker("create", await rig().engine.image("busybox"), "sh");
    await rig().engine.docker("commit", "--change", "ONBUILD ADD Dockerfile /stolen", container, name);
    await rig().engine.docker("rm", container);
    await rig().engine.docker("push", name);
    const refused = await rig().launch(
      driver,
      await rig().built(driver, [`FROM ${name}`, "RUN cat /stolen"]),
    );
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toContain("ONBUILD");
  });

  test("X-08 a base that the host has by its digest is only for who may have it", async () => {
    const driver = await rig().driver();
    const name = `${rig().closed.host}/team/busybox`;
    const lines = [`FROM ${name}@${rig().digest}`, "RUN true"];
    const ann = { registryLogins: { [rig().closed.host]: ANN } };
    expect(await rig().launch(driver, await rig().built(driver, lines, ann))).toBeUndefined();
    const refused = await rig().launch(driver, await rig().built(driver, lines));
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toContain(`gpu-dev registry login ${rig().closed.host}`);
  });

  test("L-06 a build that fails says where, with the last that it said", async () => {
    const driver = await rig().driver();
    const failed = await rig().launch(
      driver,
      await rig().built(driver, [
        `FROM ${rig().open.host}/team/busybox:1`,
        "RUN echo one && echo two && exit 3",
      ]),
    );
    expect(failed).toBeInstanceOf(LaunchRefused);
    expect(String(failed)).toMatch(
      /cannot be built, at Step 2\/\d+ : RUN echo one .*returned a non-zero code: 3\none\ntwo$/s,
    );
    const syntax = await rig().launch(
      driver,
      await rig().built(driver, [`FROM ${rig().open.host}/team/busybox:1`, "RUNS echo"]),
    );
    expect(String(syntax)).toMatch(/unknown instruction: RUNS/i);
    const base = await rig().launch(
      driver,
      await rig().built(driver, [`FROM ${rig().closed.host}/team/busybox:1`]),
    );
    expect(base).toBeInstanceOf(LaunchRefused);
    expect(String(base)).toContain(`gpu-dev registry login ${rig().closed.host}`);
  });

  test("X-08 a link that leads out of the context brings nothing of the server or the host", async () => {
    const driver = await rig().driver();
    const fill = (at: string) => symlinkSync("/etc/passwd", join(at, "link"));
    const refused = await rig().launch(
      driver,
      await rig().built(
        driver,
        [`FROM ${rig().open.host}/team/busybox:1`, "COPY link /stolen", "RUN cat /stolen"],
        { fill },
      ),
    );
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).not.toContain("root:");
  });

  test("L-14 a pod whose image is being built ends at once, and the build with it", async () => {
    const driver = await rig().driver();
    const spec = await rig().built(driver, [`FROM ${rig().open.host}/team/busybox:1`, "RUN sleep 1000"]);
    await driver.launch(spec);
    await expect
      .poll(() => driver.inspect(spec.name), { timeout: 20_000 })
      .toEqual({
        state: "starting",
        reason: expect.stringMatching(/^building the image: Step 2\/\d+ : RUN sleep 1000/),
      });
    // Of its own: steps may forge packets, and pods may not.
    const own = ["--no-trunc", "--quiet", "--filter", "label=gpu-dev.network=builds"];
    const network = await rig().engine.docker("network", "ls", ...own);
    const inIt = () => rig().engine.docker("ps", "--quiet", "--filter", `network=${network}`);
    await expect.poll(inIt).not.toBe("");
    await driver.terminate(spec.name);
    expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
    await expect.poll(() => left(rig()), { timeout: 20_000 }).toBe("");
  });
}
