/** Disks that an agent works on, which is a process of this machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { DiskEngine } from "../../src/drivers/disks.ts";
import { AgentLink } from "../../src/drivers/docker-disks/link.ts";
import { RemoteDisks, type RemoteDisksOptions } from "../../src/drivers/docker-disks/remote-disks.ts";
import { LocalDiskRig } from "./disks-rig.ts";

export const AGENT = join(import.meta.dirname, "../../src/drivers/docker-disks/agent.ts");

export class AgentRig extends LocalDiskRig {
  readonly agents: ReturnType<typeof startAgent>[] = [];
  readonly #engines: RemoteDisks[] = [];

  static override async make(): Promise<AgentRig> {
    const { base, options } = await LocalDiskRig.make("processes");
    return new AgentRig(base, options);
  }

  remote(options: Partial<RemoteDisksOptions> = {}): RemoteDisks {
    const engine = new RemoteDisks({
      start: async () => {
        const agent = startAgent(this.options.dataDir);
        this.agents.push(agent);
        return agent.link;
      },
      requirePod: async () => undefined,
      ...options,
    });
    this.#engines.push(engine);
    return engine;
  }

  override async open(): Promise<DiskEngine> {
    return this.remote();
  }

  /** Of the agents as well, once nobody needs them. */
  override async remains(): Promise<string[]> {
    for (const engine of this.#engines) await engine.close();
    await Promise.all(this.agents.map(({ ended }) => ended));
    return super.remains();
  }
}

/** An agent for the disks below a directory. */
function startAgent(dataDir: string) {
  const child = spawn(process.execPath, [AGENT, dataDir], { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const link = new AgentLink({ input: child.stdin, output: child.stdout, said: () => said.trim() });
  return { child, link, ended: once(child, "close") };
}
