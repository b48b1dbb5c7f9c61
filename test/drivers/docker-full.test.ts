/** A Docker host whose disk is full, which is told as that wherever it shows (L-11), and keeps nobody from ending what is there. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { INSECURE, noRegistry } from "../helpers/registry.ts";
import { untilRunning } from "./contract.ts";
import { ImagesRig } from "./images-rig.ts";

const MIB = 2 ** 20;
/** What nobody asks for before something comes. */
const NO_BOUNDS = { pull: { freeMin: 0 }, build: { imageMax: 2 ** 40 } };

describe.skipIf(noDockerEngine() ?? noRegistry())("a Docker host whose disk is full", () => {
  let rig: ImagesRig;
  let give: () => void;
  beforeAll(async () => {
    rig = await ImagesRig.start(DockerEngine.start({ gpus: false, args: INSECURE, dataMax: "300m" }));
  });
  afterEach(async () => {
    give();
    await rig.clear();
  });
  afterAll(() => rig.stop());

  test("L-11 L-14 no pod is made, which is tried again; those that are there go on, and end", async () => {
    const driver = await rig.ruled(NO_BOUNDS);
    const local = await rig.engine.image("sshd");
    const [there, refused] = [await rig.named(driver, local), await rig.named(driver, local)];
    await driver.launch(there);
    await untilRunning(driver, there.name);
    give = await rig.engine.fill(0);
    const launch = driver.launch(refused);
    await expect(launch).rejects.toThrow(DriverError);
    await expect(launch).rejects.toThrow("the disk of the Docker host is full");
    expect(await driver.inspect(refused.name)).toEqual({ state: "absent" });
    expect(await driver.inspect(there.name)).toEqual({ state: "running" });
    expect(await rig.inPod(driver, there, "echo on")).toBe("on\n");
    await driver.terminate(there.name);
    expect((await driver.list()).pods).toEqual([]);
    give();
    await driver.launch(refused);
    await untilRunning(driver, refused.name);
    give = await rig.engine.fill(0);
  });

  test("L-11 an image that has no room there does not come, and is told so", async () => {
    const { engine } = rig;
    const name = `${rig.open.host}/team/large:1`;
    const write = ["dd", "if=/dev/urandom", "of=/large", "bs=1M", "count=40"];
    await engine.docker("run", "--name", "large", await engine.image("busybox"), ...write);
    await engine.docker("commit", "large", name);
    await engine.docker("push", name);
    await engine.docker("rm", "large");
    await engine.docker("rmi", name);
    const driver = await rig.ruled(NO_BOUNDS);
    const spec = await rig.named(driver, name);
    give = await engine.fill(20 * MIB);
    const refused = await rig.launch(driver, spec);
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toMatch(/there is not enough space for the image \S+ on the Docker host \(/);
    expect(await engine.docker("images", "--quiet", name)).toBe("");
  });

  test("L-11 a step of a build that has no room there is told with what it said", async () => {
    const driver = await rig.ruled(NO_BOUNDS);
    const write = "RUN dd if=/dev/zero of=/large bs=1M count=60";
    const spec = await rig.built(driver, [`FROM ${rig.open.host}/team/busybox:1`, write]);
    give = await rig.engine.fill(30 * MIB);
    const refused = await rig.launch(driver, spec);
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toMatch(/cannot be built, at Step 2\/2 : RUN dd .*No space left on device/s);
  });
});
