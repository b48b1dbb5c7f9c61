/** The Docker driver on podman's service, which speaks Docker's API; part of the soak, for its length. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noPodman, PodmanService } from "../helpers/podman-service.ts";
import { driverContract } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";

const skipped = process.env.GPU_DEV_SOAK === undefined || noPodman() !== undefined;

describe.skipIf(skipped)("podman's service", () => {
  let engine: PodmanService;
  beforeAll(async () => {
    engine = await PodmanService.start();
  });
  afterAll(() => engine.stop());

  driverContract("docker driver on podman", () => DockerRig.make(engine));

  /** Beyond the contract. When one of these fails, podman has come nearer: take it out of here and of docs/docker.md. */
  describe("known differences", () => {
    const start = async (...words: string[]): Promise<string> =>
      engine.docker("run", "--detach", ...words, await engine.image("sshd"), "httpd", "-f", "-p", "80");

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
