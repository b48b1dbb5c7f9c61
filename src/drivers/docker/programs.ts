/** Where the hosts' pods, and the agents that work on disks there, get their programs from. */
import { ownAgent } from "../docker-disks/agent-image.ts";
import { once } from "./once.ts";
import type { OwnImage } from "./own-image.ts";
import { makeTools, type Tools } from "./tools.ts";

export interface Programs {
  /** Of the server's machine, so that only hosts with the same processors can have them. */
  readonly own: boolean;
  /** Throws LaunchRefused, DriverError. */
  readonly tools: () => Promise<Tools>;
  readonly agent: () => Promise<OwnImage>;
}

/** This machine's; taken once in the life of a process. */
export const ownPrograms: Programs = { own: true, tools: once(makeTools), agent: ownAgent };
