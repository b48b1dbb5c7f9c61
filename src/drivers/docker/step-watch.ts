/** The bounds of a build that engines do not know: how many processes a step has, how much it writes, and what stays free on the host. */
import { LaunchRefused } from "../driver.ts";
import { type Engine, EngineError } from "./engine.ts";
import type { ImageHost } from "./pull.ts";
import { RoomWatch } from "./room.ts";

const EVERY_MS = 2000;

export interface StepBounds {
  readonly pids: number;
  /** Bytes. */
  readonly imageMax: number;
  /** Bytes on the host. */
  readonly freeMin: number;
}

interface StepContainer {
  readonly SizeRw?: number;
  readonly State: { readonly Running: boolean };
  readonly Config: { readonly Labels?: Readonly<Record<string, string>> | null };
}

export class StepWatch {
  readonly #engine: Engine;
  readonly #bounds: StepBounds;
  readonly #room: RoomWatch;
  readonly #isOwn: (labels: Readonly<Record<string, string>>) => boolean;
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout;
  /** Also those that steps only claim to run in. */
  readonly #containers = new Set<string>();
  #looking = false;

  /** `isOwn` knows containers of its user by their labels. */
  constructor(
    host: ImageHost,
    bounds: StepBounds,
    isOwn: (labels: Readonly<Record<string, string>>) => boolean,
  ) {
    this.#engine = host.engine;
    this.#bounds = bounds;
    this.#room = new RoomWatch(host, bounds);
    this.#isOwn = isOwn;
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  /** Aborted when it writes too much, with LaunchRefused. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** A container that a step says to run in: its own, but for what it prints itself, which changes nothing of anybody else. Throws DriverError. */
  async begin(container: string): Promise<void> {
    const { Labels } = (await this.#find(container))?.Config ?? {};
    if (!Labels || !this.#isOwn(Labels)) return;
    this.#containers.add(container);
    await this.#bound(container);
  }

  /** Between its start and its end there are moments at which an engine refuses. */
  async #bound(container: string, tries = 5): Promise<void> {
    try {
      const body = { PidsLimit: this.#bounds.pids };
      await this.#engine.ask("POST", `/containers/${container}/update`, { body });
    } catch (error) {
      const runs = (await this.#find(container))?.State.Running ?? false;
      if (runs && (tries === 1 || !(error instanceof EngineError))) throw error;
      if (runs) await this.#bound(container, tries - 1);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Of a million files the size takes the engine minutes, which says nothing against the engine. */
  #find(container: string, size = false): Promise<StepContainer | undefined> {
    const ask = { query: { size }, ...(size && { patienceMs: 0 }) };
    return this.#engine.find<StepContainer>(`/containers/${container}/json`, ask);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#requireBounds();
    } catch (fault) {
      // An engine that cannot be asked is looked at again, and ends the build by itself.
      if (fault instanceof LaunchRefused) this.#over.abort(fault);
    } finally {
      this.#looking = false;
    }
  }

  async #requireBounds(): Promise<void> {
    for (const container of this.#containers) {
      const found = await this.#find(container, true);
      if (!found) this.#containers.delete(container);
      if ((found?.SizeRw ?? 0) > this.#bounds.imageMax)
        throw new LaunchRefused("the build wrote more than an image may have");
    }
    // What is copied from one stage to another is in no container.
    await this.#room.look();
  }
}
