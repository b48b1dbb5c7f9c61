/** As soak.test.ts, with pods in a Docker Engine, which is killed too, and so are its containers; `npm run soak` has a hundred rounds. */
import { expect, test } from "vitest";
import { makeKey } from "../drivers/ssh.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { DockerGround } from "../helpers/docker-soak.ts";
import { temporaryHome } from "../helpers/gpu-dev.ts";
import { chosenSeed } from "../helpers/random.ts";
import { soak } from "../helpers/soak.ts";

const KILLS = process.env.GPU_DEV_SOAK === undefined ? 10 : 100;

test.skipIf(noDockerEngine() !== undefined)(
  "L-05 L-04 S-01 with servers, the Docker Engine and containers killed at random instants nothing is lost, and nothing unknown is left",
  { timeout: 3_600_000 },
  async () => {
    const { home, remove } = temporaryHome();
    const seed = chosenSeed();
    console.log(`docker soak seed ${seed}`);
    const { publicKey } = await makeKey(home, "key");
    const engine = await DockerEngine.start({ gpus: false, args: ["--live-restore"] });
    const ground = new DockerGround(engine, await engine.image("busybox"));
    try {
      await soak({ home, seed, kills: KILLS, publicKey, ground, log: (line) => console.log(line) });
    } finally {
      await engine.stop();
    }
    console.log(JSON.stringify(ground.strikes));
    expect(ground.strikes.engine).toBeGreaterThan(0);
    remove();
  },
);
