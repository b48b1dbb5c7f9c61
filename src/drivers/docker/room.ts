/** What is free on the file system that a host's engine keeps its images on. */
import { LaunchRefused } from "../driver.ts";
import type { DockerHost } from "./host.ts";
import { TOOLS } from "./tools.ts";

/** The root of every container is on it. */
export const ROOM_COMMAND = [`${TOOLS}/bin/stat`, "--file-system", "--format", "%a %S", "/"];

/** Bytes, of what ROOM_COMMAND prints. */
export const bytesIn = (printed: string): number =>
  printed
    .trim()
    .split(" ")
    .map(Number)
    .reduce((blocks, size) => blocks * size);

export interface Room {
  /** What stays free on the host, bytes. */
  readonly freeMin: number;
  /** Takes away something that nobody needs now; false when there is nothing. */
  readonly clear?: () => Promise<boolean>;
}

/** Throws LaunchRefused when so little is free, and can be made free, that nothing more may come. */
export async function requireRoom(
  host: Pick<DockerHost, "node" | "room">,
  { freeMin, clear = async () => false }: Room,
): Promise<void> {
  let free: number;
  do {
    free = await host.room();
    if (free >= freeMin) return;
  } while (await clear());
  throw new LaunchRefused(
    `there is not enough space on the Docker host ${host.node}: ${inGiB(free)} are free, and ${inGiB(freeMin)} are to stay so`,
  );
}

/** What is free is asked for by a container, and so not all the time. */
const EVERY_MS = 5000;

/** Looks now and then, while something comes, whether as much stays free as should. */
export class RoomWatch {
  readonly #host: Pick<DockerHost, "node" | "room">;
  readonly #room: Room;
  #looked = Number.NEGATIVE_INFINITY;

  constructor(host: Pick<DockerHost, "node" | "room">, room: Room) {
    this.#host = host;
    this.#room = room;
  }

  /** Throws LaunchRefused when too little is free. A host that cannot be asked now is asked again. */
  async look(): Promise<void> {
    if (performance.now() - this.#looked < EVERY_MS) return;
    this.#looked = performance.now();
    try {
      await requireRoom(this.#host, this.#room);
    } catch (fault) {
      if (fault instanceof LaunchRefused) throw fault;
    }
  }
}

const inGiB = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
