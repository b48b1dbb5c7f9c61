/** The ground of a soak whose pods are containers: what lives there, and what hits it beside the kills of the server. */
import { setTimeout as pause } from "node:timers/promises";
import type { Reservation } from "../../src/api/reservations.ts";
import type { DockerEngine } from "./docker-engine.ts";
import type { Ground } from "./soak.ts";

const LABEL = "gpu-dev.pod";

export class DockerGround implements Ground {
  readonly args: readonly string[];
  readonly #engine: DockerEngine;
  /** Pods whose container we ended. */
  readonly #hit = new Set<string>();
  /** What hit what, for who reads the log. */
  readonly strikes = { engine: 0, killed: 0, removed: 0, none: 0 };

  /** The engine keeps containers over its own end (`--live-restore`): what fails then, and was not hit itself, is a finding. */
  constructor(engine: DockerEngine, image: string) {
    this.#engine = engine;
    this.args = ["--docker", engine.url, "--image", image];
  }

  /** The engine, or a container of a pod, or nothing more: at any instant of the round. */
  async strike(random: () => number): Promise<void> {
    const [what, after, which] = [random(), random(), random()];
    await pause(after * 2000);
    if (what < 0.3) await this.#hitEngine(which);
    else if (what < 0.9) await this.#hitContainer(which, what < 0.6 ? "kill" : "rm");
  }

  async #hitEngine(which: number): Promise<void> {
    this.strikes.engine += 1;
    await this.#engine.kill();
    await pause(which * 300);
    await this.#engine.start();
  }

  async #hitContainer(which: number, how: "kill" | "rm"): Promise<void> {
    const pods = (await this.#pods()).filter(({ state }) => state === "running");
    const pod = pods[Math.floor(which * pods.length)];
    if (!pod) {
      this.strikes.none += 1;
      return;
    }
    this.#hit.add(pod.name);
    this.strikes[how === "kill" ? "killed" : "removed"] += 1;
    // It may have ended meanwhile.
    await this.#engine.docker(how, ...(how === "rm" ? ["--force"] : []), pod.id).catch(() => undefined);
  }

  mayFail = ({ id, attempt }: Reservation): boolean => this.#hit.has(`${id}-${attempt}`);

  async podsMatch(all: Reservation[]): Promise<boolean> {
    const expected = all.filter((r) => r.state === "active").map((r) => `${r.id}-${r.attempt} running`);
    const found = (await this.#pods()).map(({ name, state }) => `${name} ${state}`);
    return expected.sort().join() === found.sort().join();
  }

  /**
   * Nothing in the engine but what the next pod needs: the network and the volumes of the deployment. Of its parts (agents, probes) whose
   * server was killed, those that never ran may be there: the next server takes them away when they are ten minutes old.
   */
  async nothingLeft(): Promise<boolean> {
    const [containers, volumes, networks] = await Promise.all([
      this.#list("ps", "--all", "--format", `{{.Label "gpu-dev.part"}} {{.State}}`),
      this.#list("volume", "ls", "--format", "{{.Name}}"),
      this.#list("network", "ls", "--filter", "type=custom", "--quiet"),
    ]);
    const left = containers.filter((line) => !/^[a-z-]+ (?:created|exited|dead)$/.test(line));
    const strange = volumes.filter(
      (name) => !/^gpu-dev-[a-z2-7]{8}-(?:tools-[0-9a-f]{16}|disks)$/.test(name),
    );
    return left.length + strange.length === 0 && volumes.length <= 2 && networks.length <= 1;
  }

  async #pods(): Promise<{ id: string; name: string; state: string }[]> {
    const format = `{{.ID}} {{.Label "${LABEL}"}} {{.State}}`;
    const lines = await this.#list("ps", "--all", "--filter", `label=${LABEL}`, "--format", format);
    return lines.map((line) => {
      const [id = "", name = "", state = ""] = line.split(" ");
      return { id, name, state };
    });
  }

  async #list(...words: string[]): Promise<string[]> {
    const said = await this.#engine.docker(...words);
    return said === "" ? [] : said.split("\n");
  }
}
