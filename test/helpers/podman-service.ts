/** podman's service, which speaks like a Docker Engine, for tests (see engine-process.ts). */
import { EngineProcess, lacks } from "./engine-process.ts";

/** Why it cannot be started here; in CI, where that must not be, it throws. */
export const noPodman = (): string | undefined => lacks("podman");

export class PodmanService extends EngineProcess {
  private constructor() {
    super("podman", true, []);
  }

  /** One that answers; less than a second. */
  static async start(): Promise<PodmanService> {
    const service = new PodmanService();
    await service.start();
    return service;
  }
}
