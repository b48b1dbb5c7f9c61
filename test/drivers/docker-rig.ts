/** The Docker driver under the contract, on a real engine that all tests of a file share. */
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Names } from "../../src/drivers/docker/names.ts";
import { createDockerDriver, type DockerDriverOptions } from "../../src/drivers/docker/open.ts";
import type { Driver } from "../../src/drivers/driver.ts";
import type { EngineProcess } from "../helpers/engine-process.ts";
import { newId, type Rig } from "./contract.ts";
import { temporaryDirectory } from "./ssh.ts";

export class DockerRig implements Rig {
  readonly options: DockerDriverOptions;
  readonly logged: string[] = [];
  readonly engine: EngineProcess;

  /** Of one deployment, so that the tools are put there once. */
  static readonly #deployments = new WeakMap<EngineProcess, string>();

  private constructor(engine: EngineProcess, options: Omit<DockerDriverOptions, "log">) {
    this.engine = engine;
    this.options = {
      ...options,
      log: (fields, message) => this.logged.push(`${message} ${JSON.stringify(fields)}`),
    };
  }

  /** What things of the deployment are called there. */
  static names(engine: EngineProcess): Names {
    const deployment = DockerRig.#deployments.get(engine) ?? newId();
    DockerRig.#deployments.set(engine, deployment);
    return new Names(deployment);
  }

  /** Unless other hosts are given, one whose GPUs nobody has to look for, in a container each time. */
  static async make(engine: EngineProcess, more: Partial<DockerDriverOptions> = {}): Promise<DockerRig> {
    const { deployment: deploymentId } = DockerRig.names(engine);
    return new DockerRig(engine, {
      dataDir: await temporaryDirectory(),
      deploymentId,
      hosts: [{ name: "box", url: engine.url, gpus: [] }],
      image: await engine.image("sshd"),
      simulate: [{ gpuType: "h100", count: 8 }],
      ...more,
    });
  }

  open(): Promise<Driver> {
    return createDockerDriver(this.options);
  }

  /** Of the container of a pod. */
  container(name: string): string {
    return `gpu-dev-${this.options.deploymentId.slice(0, 8)}-${name}`;
  }

  async running(name: string): Promise<number> {
    return (await this.#list("ps", "-q", "--filter", `name=${this.container(name)}`)).length;
  }

  /** The tools and the network of the deployment are for the next pod. */
  async remains(name: string): Promise<string[]> {
    const label = ["--filter", `label=gpu-dev.deployment=${this.options.deploymentId}`, "--format"];
    const kept = `gpu-dev-${this.options.deploymentId.slice(0, 8)}`;
    return [
      ...(await this.#list("ps", "-a", "--filter", `name=${this.container(name)}`, "--format", "{{.Names}}")),
      ...(await this.#list("volume", "ls", ...label, "{{.Name}}")).filter(
        (v) => !v.startsWith(`${kept}-tools-`),
      ),
      ...(await this.#list("network", "ls", ...label, "{{.Name}}")).filter(
        (network) => network !== `${kept}-pods`,
      ),
    ];
  }

  async kill(name: string): Promise<void> {
    await this.engine.docker("kill", this.container(name));
  }

  /** Its socket is not where it was. */
  async breakAsking(): Promise<() => Promise<void>> {
    const away = join(this.engine.folder, "away");
    await rename(this.engine.socket, away);
    return () => rename(away, this.engine.socket);
  }

  async #list(...words: string[]): Promise<string[]> {
    const said = await this.engine.docker(...words);
    return said === "" ? [] : said.split("\n");
  }

  async close(): Promise<void> {
    await rm(this.options.dataDir, { recursive: true });
  }
}
