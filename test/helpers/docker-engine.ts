/** A real Docker Engine for tests (see engine-process.ts). */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineProcess, lacks } from "./engine-process.ts";

const HOOK = "nvidia-container-runtime-hook";

export interface EngineOptions {
  /** Whether this process reaches the addresses of containers; else they are unreachable. Default: true. */
  readonly reachable?: boolean;
  /** Whether it can give GPUs, by a stand-in for NVIDIA's hook. Default: true. */
  readonly gpus?: boolean;
  /** A shell script that containers with GPUs find as /usr/bin/nvidia-smi. */
  readonly nvidiaSmi?: string;
  /** More of dockerd's own, as `--live-restore`. */
  readonly args?: readonly string[];
  /** How large its disk is, as mount has it. */
  readonly dataMax?: string;
}

/** Why no engine can be started here; in CI, where that must not be, it throws. */
export const noDockerEngine = (): string | undefined => lacks("dockerd");

export class DockerEngine extends EngineProcess {
  readonly #hooks = join(this.folder, "hooks");

  private constructor({ reachable = true, gpus = true, nvidiaSmi, args = [], dataMax }: EngineOptions) {
    super("dockerd", reachable, args, dataMax);
    mkdirSync(this.#hooks);
    if (gpus) copyFileSync(join(import.meta.dirname, "docker", HOOK), join(this.#hooks, HOOK));
    if (nvidiaSmi !== undefined) writeFileSync(join(this.#hooks, "nvidia-smi"), nvidiaSmi, { mode: 0o755 });
  }

  /** One that answers; about half a second. */
  static async start(options: EngineOptions = {}): Promise<DockerEngine> {
    const engine = new DockerEngine(options);
    await engine.start();
    return engine;
  }

  /** What the hook was asked for: the devices of each container that was started with GPUs, in order. */
  devicesAsked(): { readonly container: string; readonly devices: string[] }[] {
    const file = join(this.#hooks, "devices");
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8").trim().split("\n");
    return lines.map((line) => {
      const [container = "", devices = ""] = line.split(" ");
      return { container, devices: devices.split(",") };
    });
  }
}
