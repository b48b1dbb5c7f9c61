/** Images and builds on a Docker Engine. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { INSECURE, noRegistry } from "../helpers/registry.ts";
import { buildsContract } from "./builds-contract.ts";
import { imagesContract } from "./images-contract.ts";
import { ImagesRig } from "./images-rig.ts";

describe.skipIf(noDockerEngine() ?? noRegistry())("a Docker Engine", () => {
  let rig: ImagesRig;
  beforeAll(async () => {
    rig = await ImagesRig.start(DockerEngine.start({ gpus: false, args: INSECURE }));
  }, 60_000);
  afterEach(() => rig.clear());
  afterAll(() => rig.stop());

  describe("images of a registry", () => imagesContract(() => rig));

  test("an image that is only on the machine is taken as it is", async () => {
    const driver = await rig.driver();
    const spec = await rig.named(driver, await rig.engine.image("sshd"));
    expect(await rig.launch(driver, spec)).toBeUndefined();
  });

  describe("builds", () => buildsContract(() => rig));
});
