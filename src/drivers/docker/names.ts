/** What things of one deployment are called in an engine, and how they are known again. */
import { id8 } from "../../api/names.ts";

export const LABEL = {
  deployment: "gpu-dev.deployment",
  reservation: "gpu-dev.reservation",
  pod: "gpu-dev.pod",
  rank: "gpu-dev.rank",
  node: "gpu-dev.node",
  /** Ids of its GPUs, joined by commas. */
  gpus: "gpu-dev.gpus",
  /** What the disk is that is its home. */
  disk: "gpu-dev.disk",
  /** Of a network: whose it is. */
  network: "gpu-dev.network",
  /** Of what is no pod. */
  part: "gpu-dev.part",
  /** Of what was built: for whom. */
  builder: "gpu-dev.builder",
} as const;

/** Every label of ours, empty where `given` has none: else a container had those of its image, which anybody may have made. */
export const allLabels = (given: Readonly<Record<string, string>>): Record<string, string> => ({
  ...Object.fromEntries(Object.values(LABEL).map((name) => [name, ""])),
  ...given,
});

/** Names within one engine, which other deployments may use as well. */
export class Names {
  readonly deployment: string;
  readonly #prefix: string;

  constructor(deployment: string) {
    this.deployment = deployment;
    this.#prefix = `gpu-dev-${id8(deployment)}`;
  }

  /** Of a pod's container, a gang's network, or another part. */
  of(part: string): string {
    return `${this.#prefix}-${part}`;
  }

  /** Labels of what is no pod. */
  part(part: string): Record<string, string> {
    return { [LABEL.deployment]: this.deployment, [LABEL.part]: part };
  }

  /** For lists: only what is this deployment's, and has these labels. */
  filter(...labels: readonly string[]): string {
    return this.filterBy({}, ...labels);
  }

  /** The same with more filters of the engine's. */
  filterBy(more: Readonly<Record<string, readonly string[]>>, ...labels: readonly string[]): string {
    return JSON.stringify({ ...more, label: [`${LABEL.deployment}=${this.deployment}`, ...labels] });
  }
}
