/**
 * The Docker driver: each pod is a container of its own, on one of some hosts, through the Docker Engine API. What is known of a pod is
 * with its engine, under a name and labels of this deployment (docker/names.ts), so that a restarted server finds all of it again.
 */
import type { Duplex } from "node:stream";
import type { OutsideService } from "../api/breaker.ts";
import type { DiskHosts } from "./disks.ts";
import { activityOf } from "./docker/activity.ts";
import { BuildLog } from "./docker/build-log.ts";
import { addressOf, findContainer, hasDisk, isAlive, removeContainer } from "./docker/container.ts";
import { deathOf } from "./docker/death.ts";
import { Doors, listens } from "./docker/dial.ts";
import { listenToEvents } from "./docker/events.ts";
import type { DockerHost } from "./docker/host.ts";
import type { Images } from "./docker/images.ts";
import { InitLines } from "./docker/init-line.ts";
import { isBegun, isUnbegun, launchContainer, ToolsMissing } from "./docker/launch.ts";
import { Launches } from "./docker/launches.ts";
import { entrypointOver, saidBy } from "./docker/logs.ts";
import type { Names } from "./docker/names.ts";
import { gangNetwork, leaveGang, podNetwork } from "./docker/network.ts";
import { SSH_USER } from "./docker/places.ts";
import { checkImageUser } from "./docker/pod.ts";
import { type Preparing, whileNeeded } from "./docker/preparing.ts";
import { checkUpdate, updatePod } from "./docker/updating.ts";
import { usageOf } from "./docker/usage.ts";
import { type Found, Whereabouts } from "./docker/whereabouts.ts";
import { disksOf, homeMounts } from "./docker-disks/on-host.ts";
import {
  type BuiltImages,
  type Driver,
  DriverError,
  type InspectAsk,
  type Later,
  LaunchRefused,
  type LogLine,
  type NodeCapacity,
  type PodList,
  type PodSpec,
  type PodUpdate,
  type PodUsage,
  type PodView,
  type PulledImages,
} from "./driver.ts";
import { keepLines, keptText, parseLines } from "./kept-logs.ts";
import { asking, wordsOf } from "./local/asking.ts";
import { gangOf } from "./local/peers.ts";
import { checkSpec } from "./local/spec.ts";
import { Turns } from "./local/turns.ts";

export interface DockerDriverParts {
  /** What pods said is kept in `<dataDir>/logs`. */
  readonly dataDir: string;
  readonly names: Names;
  readonly hosts: readonly DockerHost[];
  readonly images: Images;
  log(fields: Record<string, unknown>, message: string): void;
}

export class DockerDriver implements Driver {
  readonly name = "docker";
  readonly isolation = "containers";
  readonly sshUser = SSH_USER;
  readonly disks: DiskHosts;
  readonly places: readonly OutsideService[];
  readonly #parts: DockerDriverParts;
  readonly #turns = new Turns();
  readonly #launches = new Launches();
  readonly #buildLog: BuildLog;
  readonly #where: Whereabouts;
  readonly #doors = new Map<DockerHost, Doors>();
  readonly #lines = new InitLines();

  readonly builtImages: BuiltImages;
  readonly pulledImages: PulledImages;

  constructor(parts: DockerDriverParts) {
    this.#parts = parts;
    this.#where = new Whereabouts(parts.names, parts.hosts);
    this.disks = disksOf(parts.hosts);
    this.places = parts.hosts.map(({ engine }) => engine);
    this.#buildLog = new BuildLog(parts.dataDir);
    const engines = parts.hosts.map(({ engine }) => engine);
    this.builtImages = parts.images.onAll(engines);
    this.pulledImages = parts.images.pulledOn(engines);
  }

  capacity(): Promise<NodeCapacity[]> {
    const { hosts } = this.#parts;
    return asking(async () => (await Promise.all(hosts.map((host) => host.nodes()))).flat());
  }

  launch(spec: PodSpec, later?: Later): Promise<void> {
    const { name } = spec;
    const note = (line: string) => this.#buildLog.note(name, line);
    const work = (preparing: Preparing) =>
      this.#turns.take(name, () => asking(() => this.#launch(spec, preparing)));
    return this.#launches.start(name, { note, work, later });
  }

  async #launch(spec: PodSpec, preparing: Preparing): Promise<void> {
    checkSpec(spec);
    const host = this.#parts.hosts.find((one) => one.has(spec.node));
    if (!host) throw new LaunchRefused(`there is no Docker host ${spec.node}`);
    if (spec.gang?.nodes.some((node) => !host.has(node)))
      throw new LaunchRefused(
        "the nodes of one reservation cannot be on several Docker hosts: they would not reach each other",
      );
    const { names } = this.#parts;
    const { engine } = host;
    const asked = [isBegun(engine, names, spec.name), host.share(spec), host.tools(), host.place()] as const;
    const [isThere, share, tools, place] = await whileNeeded(preparing, Promise.all(asked));
    if (isThere) return;
    const image = await this.#parts.images.imageFor(host, spec, preparing);
    preparing.signal.throwIfAborted();
    checkImageUser(image.config);
    const mounts = spec.disk ? await whileNeeded(preparing, homeMounts(host, names, spec.disk.volume)) : [];
    const network = await this.#turns.take(`network of ${host.node}`, () => this.#networkOf(host, spec));
    const plan = { names, spec, image, tools, place, network, share, mounts };
    const line = await launchContainer(engine, plan).catch((error: unknown) => {
      if (error instanceof ToolsMissing) host.forgetPlace();
      throw error;
    });
    if (line) this.#lines.hold(spec.name, line);
    this.#where.see(spec.name, host);
  }

  async #networkOf(host: DockerHost, { name }: PodSpec): Promise<string> {
    const { names } = this.#parts;
    const gang = gangOf(name);
    return gang === undefined ? podNetwork(host.engine, names) : gangNetwork(host.engine, names, gang);
  }

  async inspect(name: string, { activity = false, remark = false, node }: InspectAsk = {}): Promise<PodView> {
    if (this.#lines.has(name) && !activity && !remark) return { state: "running" };
    const reason = this.#launches.reason(name);
    const found = await asking(() => this.#where.find(name, node));
    const view = await asking(() => this.#view(found));
    if (view.state === "absent" && reason !== undefined) return { state: "starting", reason };
    if (view.state !== "running" || !found) return view;
    const { engine } = found.host;
    return {
      ...view,
      ...(activity && { activity: await asking(() => activityOf(engine, found.container)) }),
      ...(remark && { remark: await asking(() => entrypointOver(engine, found.container.Id)) }),
    };
  }

  async #view(found: Found | undefined): Promise<PodView> {
    if (!found) return { state: "absent" };
    const { host, container } = found;
    if (await isUnbegun(host.engine, container)) return { state: "absent" };
    if (!isAlive(container)) return { state: "dead", reason: deathOf(container.State) };
    if (await listens({ engine: host.engine, container: container.Id })) return { state: "running" };
    return { state: "starting", reason: "sshd is starting" };
  }

  update(name: string, change: PodUpdate): Promise<void> {
    return this.#turns.take(name, () => asking(() => this.#update(name, change)));
  }

  async #update(name: string, change: PodUpdate): Promise<void> {
    checkUpdate(change);
    const fault = await updatePod(name, change, { lines: this.#lines, where: this.#where });
    if (fault !== undefined) this.#parts.log({ pod: name, fault }, "a notice is not in the pod's home");
  }

  async terminate(name: string, node?: string): Promise<void> {
    await this.#launches.stop(name);
    this.#lines.take(name)?.cut();
    return this.#turns.take(name, () => asking(() => this.#terminate(name, node)));
  }

  async #terminate(name: string, node: string | undefined): Promise<void> {
    const found = await this.#where.find(name, node);
    if (found) await this.#remove(name, found);
    const gang = gangOf(name);
    if (gang === undefined) return;
    // One that is away is none of what another has to do.
    const hosts = found ? [found.host] : this.#parts.hosts;
    for (const { engine } of hosts) await leaveGang(engine, this.#parts.names, gang);
  }

  async #remove(name: string, { host, container }: Found): Promise<void> {
    const { dataDir, names, log } = this.#parts;
    if (isAlive(container) && hasDisk(container)) await this.#takeNoticesAway(name);
    const fault = await keepLines(dataDir, name, () => saidBy(host.engine, container.Id));
    if (fault !== undefined) log({ pod: name, fault }, "what the pod said is not kept");
    await removeContainer(host.engine, container.Id);
    if (await findContainer(host.engine, names, name))
      throw new DriverError(`the Docker Engine has not taken the pod ${name} away yet`);
    this.#where.forget(name);
  }

  /** On a disk they would stay; the next pod takes away what could not be now. */
  async #takeNoticesAway(name: string): Promise<void> {
    try {
      await this.#update(name, { endNotice: "", idleNotice: "" });
    } catch (error) {
      this.#parts.log({ pod: name, fault: wordsOf(error) }, "the notices of a pod stay on its disk");
    }
  }

  list(): Promise<PodList> {
    return asking(() => this.#where.list());
  }

  dial(name: string, port: number): Promise<Duplex> {
    return asking(async () => {
      const { host, container } = await this.#where.alive(name);
      const doors = this.#doors.get(host) ?? new Doors();
      this.#doors.set(host, doors);
      const address = addressOf(container);
      return doors.dial({ engine: host.engine, container: container.Id, pod: name, address }, port);
    });
  }

  usage(name: string): Promise<PodUsage> {
    return asking(async () => {
      const { host, container } = await this.#where.alive(name);
      return usageOf(host.engine, container);
    });
  }

  logs(name: string, after = 0, node?: string): Promise<LogLine[]> {
    return asking(async () => {
      const said = await this.#said(name, node);
      const built = await this.#buildLog.read(name);
      const later = said.map((line) => ({ ...line, number: built.length + line.number }));
      return [...built, ...later].filter(({ number }) => number > after);
    });
  }

  /** By its container; by what was kept when that was taken away, which needs no host that may be gone. */
  async #said(name: string, node: string | undefined): Promise<LogLine[]> {
    const kept = await keptText(this.#parts.dataDir, name);
    const ended = kept === undefined ? undefined : parseLines(kept);
    try {
      const found = await this.#where.find(name, node);
      const lines = found ? await saidBy(found.host.engine, found.container.Id) : [];
      return lines.length > 0 ? lines : (ended ?? []);
    } catch (error) {
      if (ended) return ended;
      throw error;
    }
  }

  watch(changed: (pod: string) => void): () => void {
    const stop = new AbortController();
    const { hosts, names, log } = this.#parts;
    for (const { node, engine } of hosts) {
      const trouble = (fault: unknown) =>
        fault === undefined
          ? log({ node }, "the events of a Docker host are heard again")
          : log(
              { node, fault: wordsOf(fault) },
              "the events of a Docker host are not heard; its pods are looked at now and then",
            );
      // What is heard of a pod may come before the end of the line to it.
      const heard = (pod: string) => {
        this.#lines.take(pod)?.cut();
        changed(pod);
      };
      void listenToEvents({ engine, names, changed: heard, trouble }, stop.signal);
    }
    return () => stop.abort();
  }

  /** Pods go on; only what is in hand is waited for. */
  async close(): Promise<void> {
    await this.#launches.stopAll();
    this.#lines.cutAll();
    await this.#buildLog.rest();
    await this.#turns.rest();
    for (const { disks, engine } of this.#parts.hosts) {
      await disks.close();
      engine.close();
    }
  }
}
