/** Pods whose addresses are not reached from here, and pods of images that have nothing that a login needs. */
import { rm } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Driver } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import type { ImageKind } from "../helpers/docker-images.ts";
import { podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

describe.skipIf(noDockerEngine())("a Docker Engine in a network of its own", () => {
  let engine: DockerEngine;
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    [engine, dir] = await Promise.all([
      DockerEngine.start({ reachable: false, gpus: false }),
      temporaryDirectory(),
    ]);
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await engine.stop();
    await rm(dir, { recursive: true });
  });

  async function start(image: ImageKind): Promise<{ driver: Driver; name: string; access: PodAccess }> {
    const rig = await DockerRig.make(engine, { image: await engine.image(image) });
    const driver = await rig.open();
    closing.push(
      () => rig.close(),
      () => driver.close(),
    );
    const spec = await podSpec(driver, host, user);
    await driver.launch(spec);
    closing.push(() => driver.terminate(spec.name));
    await untilRunning(driver, spec.name);
    const access = await PodAccess.open(driver, spec.name, host.publicKey);
    closing.push(() => access.close());
    return { driver, name: spec.name, access };
  }

  test("L-19 a pod is entered through its engine, is left again, and says what happened", async () => {
    const { driver, name, access } = await start("sshd");
    expect((await access.ssh(user, "echo hello; exit 7")).stdout).toBe("hello\n");
    const sessions = async () => {
      const view = await driver.inspect(name, { activity: true });
      return view.state === "running" && view.activity?.sessions;
    };
    const held = access.hold(user, "echo up; exec sleep 4000");
    await new Promise((resolve) => held.stdout?.once("data", resolve));
    await expect.poll(sessions).toBe(1);
    held.kill();
    await expect.poll(sessions).toBe(0);
    const said = (await driver.logs(name)).map(({ text }) => text);
    expect(said).toContainEqual(expect.stringMatching(/^Accepted publickey for dev /));
  });

  test("what sshd calls a peer without an address is looked up in the pod, where no name service answers, and not for each login anew", async () => {
    const { access } = await start("sshd");
    await access.ssh(user, "true");
    // Records of a login with a terminal look up its name as git does.
    const { stderr } = await access.ssh(user, "git ls-remote git://UNKNOWN/repository");
    expect(stderr).toContain("UNKNOWN[0: 0.0.0.0]: errno=Connection refused");
    expect((await access.ssh(user, "grep -c UNKNOWN /etc/hosts", ["-tt"])).stdout).toBe("1\r\n");
  });

  test("a port of the pod's own loopback is reached, all that was asked for comes back, and one that nobody has is an error", async () => {
    const { driver, name, access } = await start("sshd");
    const serve = "head -c 3000000 /dev/zero >file && echo up && exec httpd -f -p 127.0.0.1:4000";
    const server = access.hold(user, serve);
    await new Promise((resolve) => server.stdout?.once("data", resolve));
    const dialled = async () => {
      const stream = await driver.dial(name, 4000);
      stream.end("GET /file HTTP/1.0\r\n\r\n");
      return (await buffer(stream)).length;
    };
    await expect.poll(() => dialled().catch(() => 0)).toBeGreaterThan(3_000_000);
    await expect(driver.dial(name, 1)).rejects.toThrow("nothing answers on port 1");
  });

  test.each<ImageKind>(["busybox", "distroless"])(
    "a pod of an image with %s alone is entered as well",
    async (image) => {
      const { access } = await start(image);
      const { stdout, code } = await access.ssh(user, "echo $HOME; exit 5");
      expect({ stdout, code }).toEqual({ stdout: "/home/dev\n", code: 5 });
    },
  );

  test("L-06 GPUs that the engine cannot give are refused for good, with what is to be installed, and nothing is left", async () => {
    const hosts = [{ name: "box", url: engine.url, gpus: [{ type: "h200", count: 2 }] }];
    const rig = await DockerRig.make(engine, { hosts });
    const driver = await rig.open();
    const spec = { ...(await podSpec(driver, host, user)), gpuType: "h200", gpus: [1], simulated: false };
    await expect(driver.launch(spec)).rejects.toThrow("is NVIDIA's container toolkit installed there?");
    expect((await driver.list()).pods).toEqual([]);
    expect(await rig.remains(spec.name)).toEqual([]);
    await driver.close();
    await rig.close();
  });
});
