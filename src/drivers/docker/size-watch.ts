/** How much the step of a build that runs has written: the engine itself knows no bound. */
import type { Engine } from "./engine.ts";
import type { Message } from "./messages.ts";

const EVERY_MS = 2000;

export class SizeWatch {
  readonly #engine: Engine;
  readonly #most: number;
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #container: string | undefined;
  #looking = false;

  constructor(engine: Engine, most: number) {
    this.#engine = engine;
    this.#most = most;
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  /** Aborted when it is too much. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Each step names the container that it runs in. */
  see({ stream }: Message): void {
    this.#container = /^ ---> Running in ([0-9a-f]{12,64})/m.exec(stream ?? "")?.[1] ?? this.#container;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#container === undefined || this.#looking) return;
    this.#looking = true;
    try {
      const path = `/containers/${this.#container}/json`;
      const { SizeRw = 0 } =
        (await this.#engine.find<{ SizeRw?: number }>(path, { query: { size: true } })) ?? {};
      if (SizeRw > this.#most) this.#over.abort();
    } catch {
      // It is looked at again; an engine that cannot be asked ends the build by itself.
    } finally {
      this.#looking = false;
    }
  }
}
