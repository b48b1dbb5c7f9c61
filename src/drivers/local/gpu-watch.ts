/** What the GPUs of pods do: nvidia-smi is asked for all of them at once, because it takes up to seconds. */
import type { GpuUsage } from "../driver.ts";
import { Cached, unlessLate } from "./cached.ts";
import { askGpuUse } from "./nvidia.ts";
import { control, readIfThere } from "./pod-dir.ts";
import type { Smi } from "./smi.ts";

/** What takes longer is not known this time: how the pod is does not wait for it. */
const PATIENCE_MS = 2000;
const SILENT: GpuUsage = { busyPercent: null, usedBytes: null, totalBytes: null };

export class GpuWatch {
  readonly #use: Cached<ReadonlyMap<string, GpuUsage> | undefined>;

  constructor(smi: Smi) {
    this.#use = new Cached(() => askGpuUse(smi));
  }

  /** Of the pod in `dir`, in the order of its spec, at most `freshMs` old; undefined when nobody tells in time. */
  async of(dir: string, freshMs: number): Promise<readonly GpuUsage[] | undefined> {
    const text = await readIfThere(control(dir, "gpus"));
    const uuids = text?.split(",").filter((uuid) => uuid.trim() !== "");
    if (uuids === undefined || uuids.length === 0) return uuids && [];
    const use = await unlessLate(this.#use.get(freshMs), PATIENCE_MS);
    return use && uuids.map((uuid) => use.get(uuid.trim()) ?? SILENT);
  }
}
