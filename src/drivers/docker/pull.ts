/** Pulling an image, with how far it is, within bounds of time and size, and with what is to stay free on its host. */
import { exactDuration } from "../../api/duration.ts";
import { fullName, type ImageReference } from "../../api/image-reference.ts";
import { exactSize } from "../../api/size.ts";
import { LaunchRefused, type RegistryLogin } from "../driver.ts";
import { EngineError } from "./engine.ts";
import type { DockerHost } from "./host.ts";
import { imageFault } from "./image-faults.ts";
import { type Message, messagesOf } from "./messages.ts";
import type { Preparing } from "./preparing.ts";
import { authHeader } from "./registry-auth.ts";
import { type Room, RoomWatch } from "./room.ts";

export interface PullBounds extends Room {
  readonly timeMaxS: number;
  /** Of what comes over the network, bytes. */
  readonly sizeMax: number;
}

export type ImageHost = Pick<DockerHost, "node" | "engine" | "room">;

/** Resolves when the engine has it as the registry has it now. Throws LaunchRefused, DriverError. */
export async function pullImage(
  host: ImageHost,
  image: ImageReference,
  login: RegistryLogin | undefined,
  bounds: PullBounds,
  preparing: Preparing,
): Promise<void> {
  const name = fullName(image);
  const late = AbortSignal.timeout(bounds.timeMaxS * 1000);
  const watch = new PullWatch(host, name, bounds);
  const signal = AbortSignal.any([preparing.signal, late]);
  preparing.say(`pulling the image ${name}`);
  try {
    const answer = await host.engine.open("POST", "/images/create", {
      query: { fromImage: `${image.host}/${image.path}`, tag: image.digest ?? image.tag },
      headers: authHeader(image.host, login),
      patienceMs: 0,
      signal,
    });
    for await (const message of messagesOf(answer)) {
      if (message.error !== undefined) throw imageFault(name, image.host, message.error, login);
      if (await watch.see(message)) preparing.say(`pulling the image ${name}${progressOf(watch.layers)}`);
    }
  } catch (error) {
    if (late.aborted)
      throw new LaunchRefused(`pulling the image ${name} took longer than ${exactDuration(bounds.timeMaxS)}`);
    // Before it says anything, an engine refuses with a status.
    throw error instanceof EngineError ? imageFault(name, image.host, error.message, login) : error;
  }
}

/** How much of it comes, and whether it fits. */
class PullWatch {
  readonly #room: RoomWatch;
  readonly #name: string;
  readonly #bounds: PullBounds;
  readonly #layers = new Map<string, Message>();
  /** Of each layer, as soon as it is known. */
  readonly #sizes = new Map<string, number>();
  constructor(host: ImageHost, name: string, bounds: PullBounds) {
    this.#room = new RoomWatch(host, bounds);
    this.#name = name;
    this.#bounds = bounds;
  }

  get layers(): readonly Message[] {
    return [...this.#layers.values()];
  }

  /** Whether it is about a layer. Throws LaunchRefused when it is too much. */
  async see(message: Message): Promise<boolean> {
    const { id, status, progressDetail: { total } = {} } = message;
    if (id === undefined) return false;
    this.#layers.set(id, message);
    if (total !== undefined) this.#sizes.set(id, total);
    const { sizeMax } = this.#bounds;
    if ([...this.#sizes.values()].reduce((sum, size) => sum + size, 0) > sizeMax)
      throw new LaunchRefused(`the image ${this.#name} is larger than ${exactSize(sizeMax)}, the most here`);
    // What comes may be a thousand times as large when it is unpacked.
    if (status === "Downloading" || status === "Extracting") await this.#room.look();
    return true;
  }
}

/** ": 41% of 1.2 GB", of what is known so far; nothing before any size is known. */
export function progressOf(layers: readonly Message[]): string {
  let [done, total] = [0, 0];
  for (const { status, progressDetail: { current = 0, total: size = 0 } = {} } of layers) {
    total += size;
    done += status === "Downloading" ? current : size;
  }
  if (total === 0) return "";
  if (layers.some(({ status }) => status === "Downloading"))
    return `: ${Math.floor((100 * done) / total)}% of ${(total / 1e9).toFixed(1)} GB`;
  return layers.some(({ status }) => status === "Extracting") ? ": unpacking it" : "";
}
