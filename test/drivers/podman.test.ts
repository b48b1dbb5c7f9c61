/** The Docker driver on podman's service, which speaks Docker's API; part of the soak, for its length. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { LaunchRefused } from "../../src/drivers/driver.ts";
import { noPodman, PodmanService } from "../helpers/podman-service.ts";
import { noRegistry } from "../helpers/registry.ts";
import { driverContract } from "./contract.ts";
import { disksContract } from "./disks-contract.ts";
import { DockerDiskRig } from "./docker-disks-rig.ts";
import { DockerRig } from "./docker-rig.ts";
import { imagesContract } from "./images-contract.ts";
import { ImagesRig } from "./images-rig.ts";

const skipped = process.env.GPU_DEV_SOAK === undefined || noPodman() !== undefined;

describe.skipIf(skipped || noRegistry() !== undefined)("podman's service", () => {
  let rig: ImagesRig;
  let engine: PodmanService;
  beforeAll(async () => {
    const starting = PodmanService.start();
    [engine, rig] = await Promise.all([starting, ImagesRig.start(starting)]);
  });
  afterEach(() => rig.clear());
  afterAll(() => rig.stop());

  driverContract("docker driver on podman", () => DockerRig.make(engine));
  describe("images of a registry", () => imagesContract(() => rig));
  disksContract("disks of a podman host", () => DockerDiskRig.on(engine));

  /** Beyond the contract. When one of these fails, podman has come nearer: take it out of here and of docs/docker.md. */
  describe("known differences", () => {
    const start = async (...words: string[]): Promise<string> =>
      engine.docker("run", "--detach", ...words, await engine.image("sshd"), "httpd", "-f", "-p", "80");

    test("what a step of a build writes cannot be watched: nothing is built", async () => {
      const driver = await rig.driver();
      const refused = await rig.launch(
        driver,
        await rig.built(driver, [`FROM ${rig.open.host}/team/busybox:1`]),
      );
      expect(refused).toBeInstanceOf(LaunchRefused);
      expect(String(refused)).toContain("podman");
    });

    test("an image that is only on the machine has a digest as one of a registry, and is asked for there", async () => {
      const driver = await rig.ruled({ pull: { patienceS: 0 } });
      const refused = await rig.launch(driver, await rig.named(driver, await engine.image("distroless")));
      expect(refused).toBeInstanceOf(LaunchRefused);
    });

    test("GPUs that are asked for are not given, and nobody is told", async () => {
      const id = await start("--gpus", '"device=0"');
      expect(await engine.docker("inspect", "-f", "{{.HostConfig.DeviceRequests}}", id)).toBe("[]");
    });

    test("pods of one host reach each other: the network's option against it is not known", async () => {
      const option = ["--opt", "com.docker.network.bridge.enable_icc=false"];
      await engine.docker("network", "create", ...option, "apart");
      const id = await start("--network", "apart");
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      const address = await engine.docker("inspect", "-f", format, id);
      const other = await start("--network", "apart");
      // bash fails where nothing answers.
      await engine.docker("exec", other, "timeout", "20", "bash", "-c", `exec 3<>/dev/tcp/${address}/80`);
    });
  });
});
