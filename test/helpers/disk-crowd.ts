/** Two users of a soak with named disks on a Docker host, and what is on its volume beside what the rows name. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Client, createClient } from "../../src/api/client.ts";
import { openStore } from "../../src/store/db.ts";
import { DiskUser, type RunIn } from "./disk-user.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { randomFrom } from "./random.ts";
import type { ServerProcess } from "./server-process.ts";
import { type Crowd, until } from "./soak.ts";

/** The time in which a disk can be undeleted, and a day. */
const UNTIL_PURGED_MS = 31 * 86_400_000;
const TOO_MANY = 429;
const GPU = "a100";

/** Who asks too often, because he waits for a busy machine, asks again when he may. */
const patient: typeof fetch = async (...request) => {
  const answer = await fetch(...request);
  if (answer.status !== TOO_MANY) return answer;
  await pause(1000 * Number(answer.headers.get("retry-after") ?? 1));
  return patient(...request);
};

export interface DiskCrowdOptions {
  readonly engine: DockerEngine;
  readonly home: string;
  readonly publicKey: string;
  readonly token: string;
}

export class DiskCrowd implements Crowd {
  /** What they reserve: fewer than they have disks. */
  readonly gpus = `${GPU}:4`;
  readonly #options: DiskCrowdOptions;
  readonly #users: readonly DiskUser[];

  constructor(options: DiskCrowdOptions, runIn: RunIn) {
    const { publicKey } = options;
    this.#options = options;
    this.#users = ["ann", "bea"].map((name) => new DiskUser({ name, gpuType: GPU, publicKey, runIn }));
  }

  clients({ url, token: own }: ServerProcess): Client[] {
    const tokens = [own, this.#options.token];
    return tokens.map((token) => createClient({ url, token, fetch: patient, version: "99.0.0-test" }));
  }

  async begin(server: ServerProcess): Promise<void> {
    await this.#each(server, (user, api) => user.begin(api));
  }

  async act(server: ServerProcess, random: () => number): Promise<void> {
    await this.#each(server, (user, api) => user.act(api, randomFrom(random() * 2 ** 32)));
  }

  async check(server: ServerProcess): Promise<void> {
    await this.#each(server, (user, api) => user.check(api));
    await until("on the volume is what the rows name", () => this.#matches());
  }

  async leave(server: ServerProcess): Promise<number> {
    await this.#each(server, (user, api) => user.leave(api));
    return UNTIL_PURGED_MS;
  }

  async gone(): Promise<boolean> {
    const { disks, snapshots } = await this.#named();
    return disks.length + snapshots.length === 0 && (await this.#matches());
  }

  /** Looks at what goes on with disks that another server than until now has begun with. */
  async watchWork() {
    const store = await openStore({ url: `sqlite:${join(this.#options.home, "data", "gpu-dev.db")}` });
    const goOn = () =>
      store.read(async (db) => {
        const open = db.selectFrom("disk_operations").where("finished_at", "is", null);
        const rows = await open.select(["id", "leased_by"]).where("leased_by", "is not", null).execute();
        return rows.map(({ id, leased_by }) => `${id} of ${leased_by}`);
      });
    const before = await goOn();
    return {
      /** One of them. */
      begun: async () => (await goOn()).find((work) => !before.includes(work)),
      goesOn: async (work: string) => (await goOn()).includes(work),
      close: () => store.close(),
    };
  }

  /** What they did, for who reads the log. */
  done(): readonly DiskUser["done"][] {
    return this.#users.map(({ done }) => done);
  }

  async #each(server: ServerProcess, work: (user: DiskUser, api: Client) => Promise<void>): Promise<void> {
    const clients = this.clients(server);
    const all = await Promise.allSettled(this.#users.map((user, i) => work(user, clients[i] ?? server.api)));
    const failed = all.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** As the server's own check has it, but seen from outside: nothing more, nothing less, nothing half made or put aside. */
  async #matches(): Promise<boolean> {
    const { disks, snapshots } = await this.#named();
    return (
      disks.join() === (await this.#found("disks")).join() &&
      snapshots.join() === (await this.#found("snapshots")).join() &&
      (await this.#found("quarantine")).length === 0
    );
  }

  async #named(): Promise<{ disks: string[]; snapshots: string[] }> {
    const store = await openStore({ url: `sqlite:${join(this.#options.home, "data", "gpu-dev.db")}` });
    try {
      return await store.read(async (db) => {
        const disks = await db.selectFrom("disks").select("volume").where("state", "<>", "gone").execute();
        const snapshots = await db.selectFrom("snapshots").select("id").execute();
        return {
          disks: disks.map(({ volume }) => volume).sort(),
          snapshots: snapshots.map(({ id }) => id).sort(),
        };
      });
    } finally {
      await store.close();
    }
  }

  async #found(kind: string): Promise<string[]> {
    const { engine } = this.#options;
    const filter = ["--filter", "label=gpu-dev.part=disks", "--quiet"];
    const place = await engine.docker("volume", "ls", ...filter);
    if (place === "") return [];
    const mountpoint = await engine.docker("volume", "inspect", "--format", "{{.Mountpoint}}", place);
    return readdirSync(join(engine.inside(mountpoint), kind)).sort();
  }
}
