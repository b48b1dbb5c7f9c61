/** An engine with two registries that have the same images, of which one asks for a login, and the driver under test on it. */
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { parseEngineUrl } from "../../src/api/engine-url.ts";
import { packContext } from "../../src/cli/images/context.ts";
import { routeTo } from "../../src/drivers/docker/address.ts";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { DEFAULT_RULES, type ImageRules } from "../../src/drivers/docker/images.ts";
import type { Names } from "../../src/drivers/docker/names.ts";
import type { Driver, PodSpec } from "../../src/drivers/driver.ts";
import type { ImageKind } from "../helpers/docker-images.ts";
import type { EngineProcess } from "../helpers/engine-process.ts";
import { type Registry, registryFolder, startRegistry } from "../helpers/registry.ts";
import { newId, podSpec } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

type Ruled = Partial<Omit<ImageRules, "build" | "pull">> & {
  readonly build?: Partial<ImageRules["build"]>;
  readonly pull?: Partial<ImageRules["pull"]>;
};

export interface BuildAsk extends Partial<PodSpec> {
  /** What is beside the Dockerfile. */
  readonly fill?: (at: string) => void;
  readonly key?: string;
  readonly owner?: string;
}

/** Small enough to be reached by a test. */
export const BOUNDS = { ...DEFAULT_RULES.build, memory: 256 * 2 ** 20, pids: 777, imageMax: 20 * 2 ** 20 };

/** On the engine's own cable, where nobody else listens; podman is told of them when it starts (engine.sh). */
const PORTS = { open: 5000, closed: 5001, third: 5002 };

export class ImagesRig {
  readonly engine: EngineProcess;
  readonly open: Registry;
  readonly closed: Registry;
  readonly #ground: {
    readonly dir: string;
    readonly folder: string;
    readonly digest: string;
    remove(): void;
  };
  readonly #keys: { readonly user: KeyPair; readonly host: KeyPair };
  /** Ends what the last test began, the newest first. */
  readonly #closing: (() => Promise<unknown>)[] = [];
  #driver: Promise<Driver> | undefined;
  readonly #drivers: (() => Promise<unknown>)[] = [];

  private constructor(parts: {
    engine: EngineProcess;
    open: Registry;
    closed: Registry;
    ground: { dir: string; folder: string; digest: string; remove(): void };
    keys: { user: KeyPair; host: KeyPair };
  }) {
    this.engine = parts.engine;
    this.open = parts.open;
    this.closed = parts.closed;
    this.#ground = parts.ground;
    this.#keys = parts.keys;
  }

  /** Both registries have `team/busybox:1`; the engine has it by no name of theirs. */
  static async start(starting: Promise<EngineProcess>): Promise<ImagesRig> {
    const { folder, remove } = registryFolder();
    const [engine, dir] = await Promise.all([starting, temporaryDirectory()]);
    const [user, host, open, closed] = await Promise.all([
      makeKey(dir, "user"),
      makeKey(dir, "host"),
      startRegistry(engine.address, folder, { port: PORTS.open }),
      startRegistry(engine.address, folder, { port: PORTS.closed, login: true }),
    ]);
    await push(engine, open, "busybox");
    const ground = { dir, folder, remove, digest: await open.digest("team/busybox", "1") };
    return new ImagesRig({ engine, open, closed, ground, keys: { user, host } });
  }

  /** Of `team/busybox:1`, as the registries have it. */
  get digest(): string {
    return this.#ground.digest;
  }

  /** Ends what a test began. */
  async clear(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }

  async stop(): Promise<void> {
    for (const close of this.#drivers.reverse()) await close();
    await Promise.all([this.open.stop(), this.closed.stop()]);
    await this.engine.stop();
    await rm(this.#ground.dir, { recursive: true });
    this.#ground.remove();
  }

  /** Called when the test is over. */
  later(close: () => Promise<unknown>): void {
    this.#closing.push(close);
  }

  /** A third registry with the same images; where the last one was. */
  async registry(): Promise<Registry> {
    const registry = await startRegistry(this.engine.address, this.#ground.folder, { port: PORTS.third });
    this.later(() => registry.stop());
    return registry;
  }

  /** The engine, past the driver. */
  async client(): Promise<Engine> {
    const address = parseEngineUrl(this.engine.url);
    if (!address) throw new Error(`${this.engine.url} is no engine's`);
    const engine = new Engine(await routeTo(address, undefined));
    this.later(async () => engine.close());
    return engine;
  }

  get names(): Names {
    return DockerRig.names(this.engine);
  }

  /** The name of an image of that kind, which both registries have from then on. */
  pushed(kind: ImageKind): Promise<string> {
    return push(this.engine, this.open, kind);
  }

  /** That of most tests. */
  driver(): Promise<Driver> {
    this.#driver ??= this.#open({ ...DEFAULT_RULES, pull: this.#pull, build: BOUNDS }, this.#drivers);
    return this.#driver;
  }

  /** One with rules of its own. */
  ruled({ build, pull, ...rules }: Ruled): Promise<Driver> {
    const all = {
      ...DEFAULT_RULES,
      ...rules,
      pull: { ...this.#pull, ...pull },
      build: { ...BOUNDS, ...build },
    };
    return this.#open(all, this.#closing);
  }

  /** Users may name the registries, which are on this machine. */
  get #pull(): ImageRules["pull"] {
    const address = this.open.host.replace(/:.*/, "");
    const known = new Set(Object.values(PORTS).map((port) => `${address}:${port}`));
    return { ...DEFAULT_RULES.pull, known };
  }

  async #open(images: ImageRules, closing: (() => Promise<unknown>)[]): Promise<Driver> {
    const rig = await DockerRig.make(this.engine, { images });
    const driver = await rig.open();
    closing.push(
      () => rig.close(),
      () => driver.close(),
    );
    return driver;
  }

  /** A pod of an image by its name. */
  async named(driver: Driver, ref: string, more: Partial<PodSpec> = {}): Promise<PodSpec> {
    const spec = { ...(await podSpec(driver, this.#keys.host, this.#keys.user)), image: { ref }, ...more };
    this.later(() => driver.terminate(spec.name));
    return spec;
  }

  /** A pod whose image is built from these lines, with what `fill` puts beside them. */
  async built(
    driver: Driver,
    lines: readonly string[],
    { fill, key = newId(), owner = newId(), ...more }: BuildAsk = {},
  ): Promise<PodSpec> {
    const at = await mkdtemp(join(this.#ground.dir, "context-"));
    writeFileSync(join(at, "Dockerfile"), `${lines.join("\n")}\n`);
    fill?.(at);
    const packed = await packContext(join(at, "Dockerfile"), undefined, 2 ** 20);
    this.later(() => packed.remove());
    const build = { key, owner, context: packed.file, dockerfile: packed.dockerfile };
    const spec = {
      ...(await podSpec(driver, this.#keys.host, this.#keys.user)),
      image: { build },
      ...more,
    };
    this.later(() => driver.terminate(spec.name));
    return spec;
  }

  /** What launching comes to, however long it takes: undefined, or what it threw. */
  async launch(driver: Driver, spec: PodSpec): Promise<unknown> {
    const stateOf = async () => (await driver.inspect(spec.name)).state;
    try {
      await driver.launch(spec);
      await vi.waitFor(async () => expect(await stateOf()).not.toBe("starting"), {
        timeout: 60_000,
        interval: 20,
      });
      if ((await stateOf()) === "absent") await driver.launch(spec);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** What a command prints in the pod, by ssh. */
  async inPod(driver: Driver, { name }: PodSpec, command: string): Promise<string> {
    const access = await PodAccess.open(driver, name, this.#keys.host.publicKey);
    this.later(() => access.close());
    return (await access.ssh(this.#keys.user, command)).stdout;
  }
}

async function push(engine: EngineProcess, { host }: Registry, kind: ImageKind): Promise<string> {
  const name = `${host}/team/${kind}:1`;
  await engine.docker("tag", await engine.image(kind), name);
  await engine.docker("push", name);
  await engine.docker("rmi", name);
  return name;
}

export const said = async (driver: Driver, { name }: PodSpec): Promise<string[]> =>
  (await driver.logs(name)).map(({ text }) => text);
