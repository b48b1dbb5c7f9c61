import { afterAll, beforeAll, describe } from "vitest";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { disksContract } from "./disks-contract.ts";
import { DockerDiskRig } from "./docker-disks-rig.ts";

describe.skipIf(noDockerEngine())("a Docker Engine", () => {
  let engine: DockerEngine;
  beforeAll(async () => {
    engine = await DockerEngine.start({ gpus: false });
  });
  afterAll(() => engine.stop());

  disksContract("disks of a Docker host", () => DockerDiskRig.on(engine));
});
