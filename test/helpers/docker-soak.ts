/** The ground of a soak whose pods are containers: what lives there, and what hits it beside the kills of the server. */
import { setTimeout as pause } from "node:timers/promises";
import type { Reservation } from "../../src/api/reservations.ts";
import { DiskCrowd } from "./disk-crowd.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { Dice } from "./random.ts";
import type { Ground, Strike } from "./soak.ts";

const POD = "gpu-dev.pod";
const DISK = "gpu-dev.disk";
const POLL_MS = 20;
/** A guard: users with disks always have something done with one. */
const LONGEST_MS = 30_000;
const AGENT = "label=gpu-dev.part=disk-agent";

export interface DockerGroundOptions {
  readonly engine: DockerEngine;
  /** Of pods. */
  readonly image: string;
  readonly home: string;
  readonly publicKey: string;
  /** Of the soak's second user. */
  readonly token: string;
}

/** In ten rounds each comes as often as it is here; a pod is hit in two ways, and work on a disk in its middle, the others at any instant. */
const STRIKES = [
  "engine",
  "engine",
  "kill",
  "kill",
  "rm",
  "rm",
  "agent",
  "agent",
  "engine at work",
  "none",
] as const;
type Target = (typeof STRIKES)[number];
const OF_WORK: readonly Target[] = ["agent", "engine at work"];

export class DockerGround implements Ground {
  readonly args: readonly string[];
  readonly crowd: DiskCrowd;
  readonly #engine: DockerEngine;
  /** Pods whose container we ended. */
  readonly #ended = new Set<string>();
  /** What hit what, for who reads the log. */
  readonly strikes: Record<Target, number> = {
    engine: 0,
    kill: 0,
    rm: 0,
    agent: 0,
    "engine at work": 0,
    none: 0,
  };
  readonly #deck: Target[] = [];
  /** About as long as there is something to hit: less when it was over before, more when it was not. */
  #workMs = 500;

  /** The engine keeps containers over its own end (`--live-restore`): what fails then, and was not hit itself, is a finding. */
  constructor(options: DockerGroundOptions) {
    const { engine, image } = options;
    this.#engine = engine;
    this.crowd = new DiskCrowd(options, (...given) => this.#runIn(...given));
    this.args = ["--docker", engine.url, "--image", image, "--simulate", this.crowd.gpus];
  }

  /** The engine, a container of a pod, or in the middle of what is done with a disk its agent or the engine. */
  strike(random: () => number, roundMs: number): Strike {
    const dice = new Dice(random() * 2 ** 32);
    if (this.#deck.length === 0) this.#deck.push(...STRIKES);
    const [target = "none"] = this.#deck.splice(dice.upTo(this.#deck.length), 1);
    const [when, which] = [dice.random(), dice.random()];
    const ofWork = OF_WORK.includes(target);
    const hit = ofWork ? this.#hitWork(target, when, which) : this.#hit(target, when * roundMs, which);
    const over = hit.then((what) => {
      this.strikes[what] += 1;
    });
    return { over, ofWork };
  }

  /** What became of it. */
  async #hit(target: Target, afterMs: number, which: number): Promise<Target> {
    if (target === "none") return target;
    await pause(afterMs);
    if (target === "kill" || target === "rm") return this.#hitContainer(which, target);
    await this.#hitEngine(which);
    return target;
  }

  /** Once something goes on with a disk that a new server has begun with, and its agent is there; it may be over before, then it is the next one's turn. */
  async #hitWork(target: Target, when: number, which: number): Promise<Target> {
    const work = await this.crowd.watchWork();
    const until = performance.now() + LONGEST_MS;
    try {
      while (performance.now() < until) {
        const begun = await work.begun();
        const [agent] = begun === undefined ? [] : await this.#list("ps", "--filter", AGENT, "--quiet");
        if (begun !== undefined && agent !== undefined) {
          await pause(when * this.#workMs);
          const goesOn = await work.goesOn(begun);
          this.#workMs *= goesOn ? 1.2 : 0.7;
          if (goesOn) {
            await (target === "agent" ? this.#unlessGone("kill", agent) : this.#hitEngine(which));
            return target;
          }
        } else await pause(POLL_MS);
      }
      return "none";
    } finally {
      await work.close();
    }
  }

  async #hitEngine(which: number): Promise<void> {
    await this.#engine.kill();
    await pause(which * 300);
    await this.#engine.start();
  }

  async #hitContainer(which: number, how: "kill" | "rm"): Promise<Target> {
    const pods = (await this.#pods()).filter(({ state }) => state === "running");
    const pod = pods[Math.floor(which * pods.length)];
    if (!pod) return "none";
    this.#ended.add(pod.name);
    await this.#unlessGone(how, ...(how === "rm" ? ["--force"] : []), pod.id);
    return how;
  }

  /** It may have ended meanwhile. */
  async #unlessGone(...words: string[]): Promise<string | undefined> {
    return this.#engine.docker(...words).catch(() => undefined);
  }

  async #runIn(pod: string, script: string, word: string): Promise<string | undefined> {
    const found = await this.#unlessGone("ps", "--filter", `label=${POD}=${pod}`, "--quiet");
    return found ? this.#unlessGone("exec", found, "sh", "-ec", script, word) : undefined;
  }

  mayFail = ({ id, attempt }: Reservation): boolean => this.#ended.has(`${id}-${attempt}`);

  /** And no disk is in two of them. */
  async podsMatch(all: Reservation[]): Promise<boolean> {
    const expected = all.filter((r) => r.state === "active").map((r) => `${r.id}-${r.attempt} running`);
    const pods = await this.#pods();
    const disks = pods.flatMap(({ disk }) => (disk === "" ? [] : [disk]));
    if (new Set(disks).size < disks.length) throw new Error(`a disk is in two pods: ${disks.join(", ")}`);
    const found = pods.map(({ name, state }) => `${name} ${state}`);
    return expected.sort().join() === found.sort().join();
  }

  /**
   * Nothing in the engine but what the next pod needs: the image that pods are made of, and of the deployment its parts' images, the
   * network and the volumes, that of the disks empty. Of its parts (agents, probes) whose server was killed, those that never ran, and
   * helpers that have, may be there: a later server takes them away when they are old.
   */
  async nothingLeft(): Promise<boolean> {
    const [containers, volumes, networks, images] = await Promise.all([
      this.#list("ps", "--all", "--format", `{{.Label "gpu-dev.part"}} {{.State}}`),
      this.#list("volume", "ls", "--format", "{{.Name}}"),
      this.#list("network", "ls", "--filter", "type=custom", "--quiet"),
      this.#list("images", "--all", "--format", "{{.Repository}}"),
    ]);
    const left = containers.filter((line) => !/^(?:[a-z-]+ created|helper exited)$/.test(line));
    const strange = [
      ...volumes.filter((name) => !/^gpu-dev-[a-z2-7]{8}-(?:tools-[0-9a-f]{16}|disks)$/.test(name)),
      ...images.filter((name) => !/^gpu-dev-(?:test\/busybox|[a-z2-7]{8}-(?:tools|disk-agent))$/.test(name)),
    ];
    return (
      left.length + strange.length === 0 &&
      volumes.length <= 2 &&
      networks.length <= 1 &&
      images.length <= 3 &&
      this.#engine.mounts().every((at) => !at.includes("/overlay"))
    );
  }

  async #pods(): Promise<{ id: string; name: string; state: string; disk: string }[]> {
    const format = `{{.ID}} {{.Label "${POD}"}} {{.State}} {{.Label "${DISK}"}}`;
    const lines = await this.#list("ps", "--all", "--filter", `label=${POD}`, "--format", format);
    return lines.map((line) => {
      const [id = "", name = "", state = "", disk = ""] = line.split(" ");
      return { id, name, state, disk };
    });
  }

  async #list(...words: string[]): Promise<string[]> {
    const said = await this.#engine.docker(...words);
    return said === "" ? [] : said.split("\n");
  }
}
