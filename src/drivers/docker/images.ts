/** The image of a pod, on its host: the operator's own, one of a registry, or one that is built there. */
import { fullName, type ImageReference, parseImageReference } from "../../api/image-reference.ts";
import {
  type BuiltImages,
  LaunchRefused,
  type PodSpec,
  type RegistryLogin,
  type PulledImages as RemovesUnused,
} from "../driver.ts";
import { Turns } from "../local/turns.ts";
import { type BuildBounds, type BuildPlan, buildImage } from "./build.ts";
import { readDockerfileIn } from "./build-context.ts";
import { requireBounds } from "./build-guard.ts";
import { BUILT, removeLeftovers } from "./build-leftovers.ts";
import { BuildSteps } from "./build-steps.ts";
import { builtName, builtOn, onEach } from "./built-images.ts";
import { labelStep, readDockerfile } from "./dockerfile.ts";
import { type Engine, unlessStatus } from "./engine.ts";
import { haveImage, type PullRules } from "./have-image.ts";
import type { DockerHost } from "./host.ts";
import { architecture } from "./machine.ts";
import { allLabels, LABEL, type Names } from "./names.ts";
import { buildNetwork } from "./network.ts";
import type { ImageConfig } from "./pod.ts";
import { type Preparing, whileNeeded } from "./preparing.ts";
import type { ImageHost } from "./pull.ts";
import { type Named, PulledImages } from "./pulled-images.ts";
import { requireRoom } from "./room.ts";

/** What pods are made of when nothing else is said. */
export const DEFAULT_IMAGE = "ubuntu:24.04";

export interface ImageRules {
  /** The operator's logins, by host, for those who have none of their own there. */
  logins(): Promise<Readonly<Record<string, RegistryLogin>>>;
  readonly pull: PullRules & {
    /** For so long an image stays that nobody asks for, seconds. */
    readonly keepS: number;
  };
  /** Without a network, builds have one of their own. */
  readonly build: Omit<BuildBounds, "network" | "freeMin"> & { readonly network?: string | undefined };
}

export const DEFAULT_RULES: ImageRules = {
  logins: async () => ({}),
  pull: {
    timeMaxS: 1800,
    sizeMax: 50 * 2 ** 30,
    freeMin: 2 * 2 ** 30,
    patienceS: 180,
    keepS: 14 * 86_400,
    known: new Set(),
  },
  build: { timeMaxS: 1800, memory: 8 * 2 ** 30, cpus: 2, pids: 4096, imageMax: 32 * 2 ** 30 },
};

interface Image extends Named {
  readonly Size: number;
  readonly Architecture: string;
  readonly Config: (ImageConfig & { readonly Labels?: Readonly<Record<string, string>> | null }) | null;
}

export interface PodImageFound {
  readonly id: string;
  readonly config: ImageConfig;
}

export class Images {
  readonly #names: Names;
  readonly #default: string;
  readonly #rules: ImageRules;
  readonly #turns = new WeakMap<Engine, Turns>();
  readonly #pulledFor: PulledImages;
  /** Whole names of those that the operator has chosen. */
  readonly #own: ReadonlySet<string>;

  /** The images that the operator has chosen: pods' own, and perhaps others. */
  constructor(names: Names, ownImage: string, rules: ImageRules, others: readonly string[] = []) {
    this.#names = names;
    this.#default = ownImage;
    this.#pulledFor = new PulledImages(names);
    const chosen = [ownImage, ...others].flatMap((ref) => parseImageReference(ref) ?? []);
    this.#own = new Set(chosen.map(fullName));
    const known = new Set([...rules.pull.known, ...chosen.map(({ host }) => host)]);
    this.#rules = { ...rules, pull: { ...rules.pull, known } };
  }

  /** There when this resolves. Throws LaunchRefused for what will not be otherwise, DriverError for what may pass. */
  async imageFor(
    host: ImageHost & Pick<DockerHost, "machine">,
    spec: Pick<PodSpec, "image" | "registryLogins">,
    preparing: Preparing,
  ): Promise<PodImageFound> {
    const logins = async () => ({ ...(await this.#rules.logins()), ...spec.registryLogins });
    const image = await this.#imageOf(host, spec, logins, preparing);
    const { Id: id, Architecture, Config } = image;
    if (architecture(Architecture) !== architecture((await host.machine()).Architecture))
      throw new LaunchRefused(`the image is for ${Architecture}, another platform than the Docker host`);
    return { id, config: Config ?? {} };
  }

  #imageOf(
    host: ImageHost,
    { image }: Pick<PodSpec, "image">,
    logins: Logins,
    preparing: Preparing,
  ): Promise<Image> {
    if (image === undefined) return this.#chosen(host, this.#default, logins, preparing);
    if ("build" in image) return this.#built(host, image.build, logins, preparing);
    return this.#named(host, image.ref, logins, preparing);
  }

  async #pulled(
    host: ImageHost,
    image: ImageReference,
    logins: Logins,
    preparing: Preparing,
  ): Promise<Image> {
    await haveImage(host, image, (await logins())[image.host], this.#boundsOn(host), preparing);
    const found = await findNamed(host.engine, image);
    if (found) return found;
    const { path, tag, digest } = image;
    throw new LaunchRefused(`the engine pulled ${path}:${tag ?? digest}, and does not have it`);
  }

  /** What nobody needs makes room for what somebody does. */
  #boundsOn({ engine }: ImageHost): PullRules {
    return { ...this.#rules.pull, clear: () => this.#pulledFor.removeOldest(engine) };
  }

  /** The same for a user; it goes when nobody has asked for it for long. `before` is what the engine has by that name. */
  async #pulledForUser(
    host: ImageHost,
    image: ImageReference,
    before: Image | undefined,
    logins: Logins,
    preparing: Preparing,
  ): Promise<Image> {
    const found = await this.#pulled(host, image, logins, preparing);
    if (!this.#own.has(fullName(image))) await this.#pulledFor.note(host.engine, image, found, before);
    return found;
  }

  /** One that the operator has chosen, for no pod. Throws LaunchRefused, DriverError. */
  chosen(host: ImageHost, ref: string, say: Preparing["say"]): Promise<Pick<Image, "Id" | "Architecture">> {
    const preparing = { say, note: () => undefined, signal: new AbortController().signal };
    return this.#chosen(host, ref, () => this.#rules.logins(), preparing);
  }

  /** The operator has chosen it: what is there is not asked for again. */
  async #chosen(host: ImageHost, ref: string, logins: Logins, preparing: Preparing): Promise<Image> {
    const found = await find(host.engine, ref);
    return found ?? (await this.#pulled(host, parsed(ref), logins, preparing));
  }

  /** By its whole name, so that no engine takes it for an id. What others pulled with a login of theirs is nobody else's: the registry is asked. */
  async #named(host: ImageHost, ref: string, logins: Logins, preparing: Preparing): Promise<Image> {
    const image = parsed(ref);
    const here = await find(host.engine, fullName(image));
    const isOwn = here && (here.RepoDigests ?? []).length === 0 && !this.#pulledFor.isMark(image);
    if (isOwn && here.Config?.Labels?.[LABEL.part] === BUILT)
      throw new LaunchRefused(`${fullName(image)} was built for somebody`);
    return isOwn ? here : await this.#pulledForUser(host, image, here, logins, preparing);
  }

  async #built(host: ImageHost, build: BuildOf, logins: Logins, preparing: Preparing): Promise<Image> {
    const { engine } = host;
    const before = await find(engine, builtName(this.#names, build.key));
    if (before) return before;
    await requireBounds(engine);
    const dockerfile = readDockerfile(await readDockerfileIn(build.context, build.dockerfile));
    // What it begins with comes as every image does; the build asks for it again, and has it.
    for (const image of dockerfile.images) {
      const here = await findNamed(engine, image);
      await this.#pulledForUser(host, image, here, logins, preparing);
    }
    await requireRoom(host, this.#boundsOn(host));
    preparing.say("waiting for another build on its host");
    const turns = this.#turns.get(engine) ?? new Turns();
    this.#turns.set(engine, turns);
    const built = turns.take("build", () => this.#build(host, { build, dockerfile }, logins, preparing));
    // Who is told to end need not wait for his turn.
    return whileNeeded(preparing, built);
  }

  /** One after the other on a host, which has work to do beside. */
  async #build(
    host: ImageHost,
    { build, dockerfile }: Pick<BuildPlan, "build" | "dockerfile">,
    logins: Logins,
    preparing: Preparing,
  ): Promise<Image> {
    const { engine } = host;
    const before = await find(engine, builtName(this.#names, build.key));
    if (before) return before;
    preparing.signal.throwIfAborted();
    const { build: own, pull } = this.#rules;
    const network = own.network ?? (await buildNetwork(engine, this.#names));
    const bounds = { ...own, network, freeMin: pull.freeMin };
    const labels = allLabels({ ...this.#names.part(BUILT), [LABEL.builder]: build.owner });
    const given = await logins();
    const steps = new BuildSteps(preparing, labelStep(labels), dockerfile.ownSteps);
    try {
      const plan = { build, dockerfile, labels, logins: given, bounds };
      const id = await buildImage(host, plan, preparing, steps);
      return await this.#accepted(engine, id, build.key);
    } finally {
      // Its user goes on with the last one alone.
      const { images: except } = steps;
      await removeLeftovers(engine, this.#names, { owner: build.owner, except }).catch(ignored);
    }
  }

  /** Whoever finds it by its name runs it: it has none before nothing is against it. */
  async #accepted(engine: Engine, id: string, key: string): Promise<Image> {
    const most = this.#rules.build.imageMax;
    const image = await find(engine, id);
    if (!image) throw new LaunchRefused("the build made no image");
    if (image.Size > most) {
      await remove(engine, id);
      throw new LaunchRefused(`the image that was built has ${image.Size} bytes, and may have ${most}`);
    }
    await engine.ask("POST", `/images/${id}/tag`, { query: { repo: this.#names.of(BUILT), tag: key } });
    return image;
  }

  /** Those that were pulled for users, on all hosts that can be asked. */
  pulledOn(engines: readonly Engine[]): RemovesUnused {
    const { keepS } = this.#rules.pull;
    const removeUnused = (engine: Engine) => this.#pulledFor.removeUnused(engine, keepS);
    return { removeUnused: async () => void (await onEach(engines, removeUnused)) };
  }

  /** Those that were built, on all hosts. */
  onAll(engines: readonly Engine[]): BuiltImages {
    return builtOn(engines, this.#names, this.#rules.build.timeMaxS);
  }
}

/** Asked for when a registry is. */
type Logins = () => Promise<Readonly<Record<string, RegistryLogin>>>;
type BuildOf = BuildPlan["build"];

/** The sweep looks again. */
const ignored = (): void => undefined;

const find = (engine: Engine, name: string) => engine.find<Image>(`/images/${name}/json`);

/** By its digest, where it has one. */
const findNamed = (engine: Engine, image: ImageReference) =>
  find(engine, fullName(image.digest === undefined ? image : { ...image, tag: undefined }));

const remove = (engine: Engine, name: string) => unlessStatus(404, engine.ask("DELETE", `/images/${name}`));

function parsed(ref: string): ImageReference {
  const image = parseImageReference(ref);
  if (!image) throw new LaunchRefused(`${JSON.stringify(ref.slice(0, 200))} is no image`);
  return image;
}
