/** As soak.test.ts, with pods and disks in a Docker Engine, which is killed too, and so are its containers; `npm run soak` has a hundred rounds. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/db.ts";
import { makeKey } from "../drivers/ssh.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { DockerGround } from "../helpers/docker-soak.ts";
import { temporaryHome } from "../helpers/gpu-dev.ts";
import { makeUser } from "../helpers/made-user.ts";
import { chosenSeed } from "../helpers/random.ts";
import { soak } from "../helpers/soak.ts";

const KILLS = process.env.GPU_DEV_SOAK === undefined ? 10 : 100;

test.skipIf(noDockerEngine() !== undefined)(
  "L-04 L-05 L-12 S-01 D-01 with servers, the Docker Engine, pods and who works on disks killed at random instants nothing is lost, and nothing unknown is left",
  { timeout: 3_600_000 },
  async () => {
    const { home, remove } = temporaryHome();
    const seed = chosenSeed();
    console.log(`docker soak seed ${seed}`);
    const { publicKey } = await makeKey(home, "key");
    const engine = await DockerEngine.start({ gpus: false, args: ["--live-restore"] });
    const ground = new DockerGround({
      engine,
      image: await engine.image("busybox"),
      home,
      publicKey,
      token: await secondUser(home),
    });
    try {
      await soak({ home, seed, kills: KILLS, publicKey, ground, log: (line) => console.log(line) });
    } finally {
      await engine.stop();
    }
    console.log(JSON.stringify(ground.strikes), JSON.stringify(ground.crowd.done()));
    expect(ground.strikes.engine).toBeGreaterThan(0);
    expect(ground.strikes.agent).toBeGreaterThan(0);
    // Each was read before the next was written.
    for (const { written } of ground.crowd.done()) expect(written).toBeGreaterThan(1);
    remove();
  },
);

async function secondUser(home: string): Promise<string> {
  const dataDir = join(home, "data");
  mkdirSync(dataDir);
  const store = await openStore({ url: `sqlite:${join(dataDir, "gpu-dev.db")}` });
  const token = await makeUser(store, "bea", "user");
  await store.close();
  return token;
}
