/** What in the directory of pods is this deployment's; all else is reported once and left alone (L-13). */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DriverError } from "../driver.ts";
import { isPodName, podDir, readIfThere, unlessMissing } from "./pod-dir.ts";

interface OursOptions {
  /** The directory of pods. */
  readonly pods: string;
  readonly deploymentId: string;
  log(fields: Record<string, unknown>, message: string): void;
}

export class Ours {
  readonly #options: OursOptions;
  /** Those that are there. */
  #reported: ReadonlySet<string> = new Set();

  constructor(options: OursOptions) {
    this.#options = options;
  }

  /** Their names. */
  async list(): Promise<string[]> {
    const names = await readdir(this.#options.pods);
    const strange = names.filter((name) => !isPodName(name));
    const pods = names.filter(isPodName);
    const ours = await Promise.all(pods.map((name) => this.#has(name)));
    this.#report([...strange, ...pods.filter((_, i) => !ours[i])]);
    return pods.filter((_, i) => ours[i]);
  }

  /** Throws DriverError for what is somebody else's. */
  async check(name: string): Promise<void> {
    if (await this.#has(name)) return;
    throw new DriverError(`what is called ${name} is no pod of this deployment and is left alone`);
  }

  /** A launch that was cut off before it signed its directory was ours; a file or a link in its place was not. */
  async #has(name: string): Promise<boolean> {
    const dir = podDir(this.#options.pods, name);
    const owner = await readIfThere(join(dir, "deployment"));
    if (owner !== undefined && owner !== this.#options.deploymentId) return false;
    return (await unlessMissing(lstat(dir)))?.isDirectory() ?? true;
  }

  #report(names: readonly string[]): void {
    const message = "something in the directory of pods is not of this deployment; it is left alone";
    for (const name of names) if (!this.#reported.has(name)) this.#options.log({ name }, message);
    this.#reported = new Set(names);
  }
}
