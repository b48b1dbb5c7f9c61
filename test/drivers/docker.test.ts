import { afterAll, beforeAll, describe } from "vitest";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { driverContract } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";

describe.skipIf(noDockerEngine())("a Docker Engine", () => {
  let engine: DockerEngine;
  beforeAll(async () => {
    engine = await DockerEngine.start({ gpus: false });
  });
  afterAll(() => engine.stop());

  driverContract("docker driver", () => DockerRig.make(engine));
});
