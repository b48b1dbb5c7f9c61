/** What the containers of pods are, and what is left alone. */
import { rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { DEFAULT_RULES } from "../../src/drivers/docker/images.ts";
import { type Driver, DriverError, type PodSpec } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const UUIDS = ["GPU-aa", "GPU-bb", "GPU-cc", "GPU-dd"].map(
  (begin) => `${begin}000000-0000-0000-0000-000000000000`,
);

/** Answers the two questions that are asked of it. */
const SMI = `case $1 in
*index,name*) i=0; for uuid in ${UUIDS.join(" ")}; do echo "$i, NVIDIA H100 80GB HBM3, $uuid"; i=$((i + 1)); done ;;
*) echo "${UUIDS[1]}, 87, 1024, 81559" ;;
esac`;

describe.skipIf(noDockerEngine())("pods of a Docker Engine", () => {
  let engine: DockerEngine;
  /** Their GPUs are looked for. */
  let hosts: DockerRig["options"]["hosts"];
  let rig: DockerRig;
  let driver: Driver;
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  const accesses: PodAccess[] = [];

  beforeAll(async () => {
    [engine, dir] = await Promise.all([DockerEngine.start({ nvidiaSmi: SMI }), temporaryDirectory()]);
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
    hosts = [{ name: "box", url: engine.url }];
    rig = await DockerRig.make(engine, { hosts, simulate: [{ gpuType: "h200", count: 8, nodes: 2 }] });
    driver = await rig.open();
  });
  afterEach(async () => {
    await Promise.all(accesses.splice(0).map((access) => access.close()));
    for (const name of (await driver.list()).pods) await driver.terminate(name);
    expect(await rig.remains("")).toEqual([]);
  });
  afterAll(async () => {
    await driver.close();
    await rig.close();
    await engine.stop();
    await rm(dir, { recursive: true });
  });

  async function newSpec(more: Partial<PodSpec> = {}): Promise<PodSpec> {
    return { ...(await podSpec(driver, host, user)), simulated: false, ...more };
  }

  async function enter({ name }: PodSpec): Promise<(command: string) => Promise<string>> {
    await untilRunning(driver, name);
    const access = await PodAccess.open(driver, name, host.publicKey);
    accesses.push(access);
    return async (command) => (await access.ssh(user, command)).stdout.trim();
  }

  const inspected = async ({ name }: PodSpec) =>
    JSON.parse(await engine.docker("inspect", rig.container(name)))[0];

  test("a pod gets the GPUs that are allocated, by their UUIDs, and its part of the machine", async () => {
    expect(await driver.capacity()).toContainEqual(
      expect.objectContaining({ node: "box", gpuType: "h100", places: 4, healthy: true, simulated: false }),
    );
    const spec = await newSpec({ gpus: [1] });
    await driver.launch(spec);
    const ssh = await enter(spec);
    expect(engine.devicesAsked().at(-1)?.devices).toEqual([UUIDS[1]]);
    expect(await ssh("echo $CUDA_VISIBLE_DEVICES")).toBe(UUIDS[1]);
    const { NCPU, MemTotal } = JSON.parse(await engine.docker("info", "--format", "{{json .}}"));
    // The machine keeps a twentieth, and at most 4 GiB.
    const quarter = Math.floor((MemTotal - Math.min(4 * 2 ** 30, Math.floor(MemTotal / 20))) / 4);
    expect((await inspected(spec)).HostConfig).toMatchObject({
      NanoCpus: Math.max(1, NCPU / 4) * 1e9,
      CpuShares: Math.round((NCPU / 4) * 1024),
      Memory: quarter,
      ShmSize: Math.floor(quarter / 2),
    });
    const view = await driver.inspect(spec.name, { activity: true });
    expect(view).toMatchObject({ state: "running", activity: { gpuBusy: true } });
    const { gpus } = await driver.usage(spec.name);
    expect(gpus).toEqual([{ busyPercent: 87, usedBytes: 1024 ** 3, totalBytes: 81_559 * 1024 ** 2 }]);
  });

  test("S-01 a GPU that is still another pod's, of whatever deployment, is given to nobody until that one is gone", async () => {
    const [first, second] = [await newSpec({ gpus: [1] }), await newSpec({ gpus: [0, 1] })];
    await driver.launch(first);
    const busy = (gpu: string | undefined) => `${gpu} of box is still another pod's`;
    await expect(driver.launch(second)).rejects.toThrow(DriverError);
    await expect(driver.launch(second)).rejects.toThrow(busy(UUIDS[1]));
    expect((await driver.list()).pods).toEqual([first.name]);
    const words = ["--label", `gpu-dev.gpus=${UUIDS[3]},${UUIDS[0]}`, await engine.image("busybox")];
    const foreign = await engine.docker("run", "--detach", ...words, "sleep", "1000");
    await driver.terminate(first.name);
    await expect(driver.launch(second)).rejects.toThrow(busy(UUIDS[0]));
    await engine.docker("kill", foreign);
    await driver.launch(second);
    expect(engine.devicesAsked().at(-1)?.devices).toEqual([UUIDS[0], UUIDS[1]]);
    await engine.docker("rm", foreign);
  });

  test("L-14 who is root in a pod cannot keep it from ending by holding up what changes it", async () => {
    const spec = await newSpec({ gpus: [0] });
    await driver.launch(spec);
    const ssh = await enter(spec);
    // Read by the program that changes a pod; nobody ever writes into it.
    await ssh("mkfifo /run/gpu-dev/notice-end");
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const hurried = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => timeout(ms / 20));
    onTestFinished(() => hurried.mockRestore());
    const told = expect(driver.update(spec.name, { endNotice: "soon" })).rejects.toThrow(
      "a program in the pod does not end",
    );
    await driver.terminate(spec.name);
    await told;
    expect((await driver.list()).pods).toEqual([]);
  });

  test("S-01 an image whose labels and variables speak of GPUs brings its pod none, and keeps none from others", async () => {
    const made = await engine.docker("create", await engine.image("sshd"));
    const says = [`LABEL gpu-dev.gpus=${UUIDS.join(",")} gpu-dev.disk=x`, "ENV NVIDIA_VISIBLE_DEVICES=all"];
    await engine.docker("commit", ...says.flatMap((word) => ["--change", word]), made, "greedy");
    await engine.docker("rm", made);
    const { node = "" } = (await driver.capacity()).find(({ simulated }) => simulated) ?? {};
    const none = { simulated: true, gpuType: "h200", node };
    const greedy = await newSpec({ ...none, image: { ref: "greedy" } });
    await driver.launch(greedy);
    const { Labels, Env } = (await inspected(greedy)).Config;
    expect(Labels).toMatchObject({ "gpu-dev.gpus": "", "gpu-dev.disk": "", "gpu-dev.pod": greedy.name });
    // As NVIDIA's runtime has it: none.
    expect(Env).toContain("NVIDIA_VISIBLE_DEVICES=void");
    await driver.launch(await newSpec({ gpus: [0, 1, 2, 3] }));
  });

  test("L-18 the first change of a pod is made by its first process, as long as who launched it speaks to that; others by programs", async () => {
    const [spec, orphan] = [await newSpec({ gpus: [0] }), await newSpec({ gpus: [1] })];
    const gone = await rig.open();
    await Promise.all([driver.launch(spec), gone.launch(orphan)]);
    await gone.close();
    const read = (file: string, { name } = spec) =>
      engine.docker("exec", rig.container(name), "cat", `/run/gpu-dev/${file}`);
    const programs = async ({ name } = spec) => {
      const container = rig.container(name);
      const filter = ["--filter", `container=${container}`, "--filter", "event=exec_create"];
      const now = String(Math.ceil(Date.now() / 1000) + 1);
      const events = await engine.docker("events", "--since", "0", "--until", now, ...filter);
      return events.split("\n").filter((line) => line.includes("update")).length;
    };
    const deadlineS = 7200;
    await driver.update(spec.name, { deadlineS, authorizedKeys: [user.publicKey, host.publicKey] });
    expect(await programs()).toBe(0);
    expect(await read("authorized_keys")).toContain(host.publicKey.trim());
    const left = Number(await read("deadline")) - Date.now() / 1000;
    expect(left).toBeGreaterThan(deadlineS - 600);
    await driver.update(spec.name, { authorizedKeys: [user.publicKey] });
    expect(await programs()).toBe(1);
    expect(await read("authorized_keys")).not.toContain(host.publicKey.trim());
    await driver.update(orphan.name, { deadlineS });
    expect(await programs(orphan)).toBe(1);
    expect(Number(await read("deadline", orphan)) - Date.now() / 1000).toBeGreaterThan(deadlineS - 600);
    // Nothing of it is in what the pod says.
    expect((await driver.logs(spec.name)).map(({ text }) => text).join("\n")).not.toMatch(/told/);
  });

  test("L-05 what an engine that ended in the middle of a start left is no pod, and the launch makes one in its place", async () => {
    const spec = await newSpec({ gpus: [0] });
    const { deploymentId } = rig.options;
    const ours = { "gpu-dev.deployment": deploymentId, "gpu-dev.pod": spec.name };
    const labels = Object.entries(ours).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
    const words = ["--name", rig.container(spec.name), ...labels, await engine.image("busybox")];
    // As an engine has it that does not know how a container ended.
    const left = engine.docker("run", ...words, "sh", "-c", "exit 255");
    await expect(left).rejects.toThrow();
    expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
    await driver.launch(spec);
    const ssh = await enter(spec);
    expect(await ssh("echo in")).toBe("in");
  });

  test("what pods need of the server is put on the host again when somebody took it away", async () => {
    const spec = await newSpec({ gpus: [0] });
    await driver.launch(spec);
    await driver.terminate(spec.name);
    const ours = ["--filter", `label=gpu-dev.deployment=${rig.options.deploymentId}`, "--quiet"];
    await engine.docker("volume", "rm", await engine.docker("volume", "ls", ...ours));
    await engine.docker("image", "rm", await engine.docker("image", "ls", ...ours));
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
  });

  test("X-05 a pod is unprivileged, gains no privileges, publishes no port, and reaches no other pod", async () => {
    const [spec, second] = await Promise.all([newSpec({ gpus: [1] }), newSpec({ gpus: [2] })]);
    await Promise.all([driver.launch(spec), driver.launch(second)]);
    const [ssh] = await Promise.all([enter(spec), enter(second)]);
    const status = await ssh("cat /proc/self/status");
    expect(status).toMatch(/^NoNewPrivs:\s1$/m);
    expect(status).toMatch(/^Seccomp:\s2$/m);
    // AUDIT_WRITE, SYS_CHROOT, NET_BIND_SERVICE, SETUID, SETGID, KILL, FSETID, FOWNER, DAC_OVERRIDE, CHOWN; see capability.h.
    expect(status).toMatch(/^CapBnd:\s00000000200404fb$/m);
    expect(await ssh("mount -t tmpfs x /tmp 2>&1 || echo refused")).toContain("refused");
    const { HostConfig, NetworkSettings } = await inspected(spec);
    expect(HostConfig).toMatchObject({ Privileged: false, PidMode: "", IpcMode: "private", UTSMode: "" });
    expect(HostConfig.RestartPolicy.Name).toBe("no");
    expect(NetworkSettings.Ports).toEqual({});
    const [address] = Object.values(
      (await inspected(second)).NetworkSettings.Networks as Record<string, { IPAddress: string }>,
    );
    const reach = `timeout 2 bash -c 'exec 3<>/dev/tcp/${address?.IPAddress}/22' 2>/dev/null && echo reached || echo not`;
    expect(await ssh(reach)).toBe("not");
  });

  test("X-09 a pod sees nothing of its machine: its own layers, and the tools, which it cannot change", async () => {
    const spec = await newSpec({ gpus: [0] });
    await driver.launch(spec);
    const ssh = await enter(spec);
    expect(
      await ssh(`ls -d '${rig.options.dataDir}' '${engine.folder}' /var/run/docker.sock 2>/dev/null`),
    ).toBe("");
    const mounts = (await ssh("cut -d' ' -f2 /proc/mounts")).split("\n");
    const outside = mounts.filter((path) => !/^\/$|^\/(proc|sys|dev)(\/|$)/.test(path));
    expect(outside.toSorted()).toEqual(["/.gpu-dev", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]);
    expect(await ssh("touch /.gpu-dev/t/bin/sshd 2>&1; rm -f /.gpu-dev/t/bin/sshd 2>&1")).toMatch(
      /Read-only/,
    );
  });

  test("L-12 L-13 what has a pod's name and is not ours is left alone, and other deployments' pods are not seen", async () => {
    const spec = await newSpec({ gpus: [0] });
    const container = rig.container(spec.name);
    await engine.docker("create", "--name", container, await engine.image("busybox"));
    await expect(driver.launch(spec)).rejects.toThrow("is no pod of this deployment and is left alone");
    await expect(driver.terminate(spec.name)).rejects.toThrow(DriverError);
    await expect(driver.inspect(spec.name)).rejects.toThrow(DriverError);
    expect((await driver.list()).pods).toEqual([]);
    await engine.docker("rm", container);
    const elsewhere = await DockerRig.make(engine, { deploymentId: newId(), simulate: [] });
    const other = await elsewhere.open();
    await driver.launch(spec);
    expect((await other.list()).pods).toEqual([]);
    await other.terminate(spec.name);
    await untilRunning(driver, spec.name);
    await other.close();
    await elsewhere.close();
  });

  test("L-06 an image that cannot be had leaves nothing, and it is said why", async () => {
    const images = { ...DEFAULT_RULES, pull: { ...DEFAULT_RULES.pull, patienceS: 0 } };
    const without = await DockerRig.make(engine, {
      hosts,
      image: "127.0.0.1:1/no-such:1",
      images,
      simulate: [],
    });
    const other = await without.open();
    const spec = await newSpec({ gpus: [0] });
    // What takes longer than a caller waits is told to the next one.
    const launching = async () => {
      for (;;) await other.launch(spec);
    };
    await expect(launching()).rejects.toThrow(/connection refused/);
    expect((await other.list()).pods).toEqual([]);
    await other.close();
    await without.close();
  });

  test("L-14 ending a pod while its engine is away is an error, and works when it is back; its node is unhealthy meanwhile", async () => {
    const spec = await newSpec({ gpus: [3] });
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
    const repair = await rig.breakAsking();
    const fresh = await rig.open();
    await expect(fresh.terminate(spec.name)).rejects.toThrow("the Docker Engine cannot be asked");
    await expect(fresh.list()).rejects.toThrow(DriverError);
    const types = (await fresh.capacity()).filter(({ node }) => node === "box");
    expect(types).toContainEqual(expect.objectContaining({ gpuType: "h100", places: 4, healthy: false }));
    await repair();
    // It is asked again after a pause.
    const ended = () =>
      fresh.terminate(spec.name).then(
        () => true,
        () => false,
      );
    await expect.poll(ended).toBe(true);
    expect((await fresh.list()).pods).toEqual([]);
    await fresh.close();
  });

  test("L-15 the pods of a gang reach each other by name, and the last takes their network away", async () => {
    const reservationId = newId();
    const peer = await makeKey(dir, `peer-${reservationId}`);
    const common = await newSpec({ reservationId, gpuType: "h200", simulated: true, gpus: [0] });
    const specs = [0, 1].map((rank) => ({
      ...common,
      name: `${reservationId}-1-${rank}`,
      node: `box-${rank + 1}`,
      authorizedKeys: [user.publicKey, peer.publicKey],
      gang: {
        rank,
        size: 2,
        nodes: ["box-1", "box-2"],
        privateKey: peer.privateKey,
        hostKey: host.publicKey.split(" ").slice(0, 2).join(" "),
      },
    }));
    await Promise.all(specs.map((spec) => driver.launch(spec)));
    const [first] = await Promise.all(specs.map(enter));
    const other = `gpu-dev-${reservationId.slice(0, 8)}-1`;
    expect(await first?.(`ssh ${other} 'hostname; echo $GPU_DEV_POD'`)).toBe(
      `${other}\n${reservationId}-1-1`,
    );
    for (const { name } of specs) await driver.terminate(name);
    expect(await rig.remains("")).toEqual([]);
  });
});
