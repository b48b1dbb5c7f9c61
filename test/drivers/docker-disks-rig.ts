/** The disks of a Docker host under the contract; their volume is a directory of this machine, by way of the engine's processes. */
import { expect } from "vitest";
import { parseEngineUrl } from "../../src/api/engine-url.ts";
import { routeTo } from "../../src/drivers/docker/address.ts";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { Names } from "../../src/drivers/docker/names.ts";
import { ownAgent } from "../../src/drivers/docker-disks/agent-image.ts";
import { disksOn } from "../../src/drivers/docker-disks/on-host.ts";
import type { RemoteDisks } from "../../src/drivers/docker-disks/remote-disks.ts";
import type { EngineProcess } from "../helpers/engine-process.ts";
import { newId } from "./contract.ts";
import { LocalDiskRig } from "./disks-rig.ts";
import { temporaryDirectory } from "./ssh.ts";

export class DockerDiskRig extends LocalDiskRig {
  readonly docker: EngineProcess;
  readonly names: Names;
  readonly #engines: RemoteDisks[] = [];

  /** Of one deployment, so that the agent's image is put there once. */
  static readonly #deployments = new WeakMap<EngineProcess, string>();

  private constructor(docker: EngineProcess, base: string, dataDir: string, names: Names) {
    super(base, { dataDir, isolation: "processes" });
    this.docker = docker;
    this.names = names;
  }

  static async on(docker: EngineProcess): Promise<DockerDiskRig> {
    const deployment = DockerDiskRig.#deployments.get(docker) ?? newId();
    DockerDiskRig.#deployments.set(docker, deployment);
    const names = new Names(deployment);
    await docker.docker("volume", "create", names.of("disks"));
    const format = ["--format", "{{.Mountpoint}}"];
    const place = await docker.docker("volume", "inspect", ...format, names.of("disks"));
    const dataDir = docker.inside(place);
    return new DockerDiskRig(docker, await temporaryDirectory(), dataDir, names);
  }

  override async open(): Promise<RemoteDisks> {
    const address = parseEngineUrl(this.docker.url);
    if (!address) throw new Error(`${this.docker.url} is no engine's`);
    const engine = disksOn(new Engine(await routeTo(address, undefined)), this.names, ownAgent);
    this.#engines.push(engine);
    return engine;
  }

  /** Of the agents. */
  async agents(...more: string[]): Promise<string[]> {
    const filter = `label=gpu-dev.deployment=${this.names.deployment}`;
    const said = await this.docker.docker(
      "ps",
      "-a",
      "--filter",
      filter,
      "--filter",
      "label=gpu-dev.part=disk-agent",
      "--format",
      "{{.Names}}",
      ...more,
    );
    return said === "" ? [] : said.split("\n");
  }

  override async remains(): Promise<string[]> {
    for (const engine of this.#engines) await engine.close();
    await expect.poll(() => this.agents(), { timeout: 60_000 }).toEqual([]);
    return super.remains();
  }
}
